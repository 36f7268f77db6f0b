#include "actors/session_events.hpp"

#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;
using kind = session_event::kind;

namespace {

using heard_events = std::shared_ptr<std::vector<session_event>>;

event_client_actor::behavior_type listener(event_client_actor::pointer, heard_events to) {
  return {[=](const context&, atom::event, session_event& x) { to->push_back(std::move(x)); }};
}

subscription wish(uint8_t kinds = all_events, caf::timespan lease = 1h) {
  return {kinds, lease.count(), "chatty"};
}

persona_options chatty() {
  persona_options x;
  x.name = "chatty";
  x.proactive_after = 10min;
  return x;
}

class listened_fixture : public test::turn_fixture {
public:
  explicit listened_fixture(uint64_t seed = 1)
      : turn_fixture(seed), heard(std::make_shared<std::vector<session_event>>()) {
    auto changed = std::make_shared<session_parts>(*parts);
    changed->personas["chatty"] = chatty();
    parts = changed;
    world->recent = {line("ada", "my cat is ill", false), line("chatty", "Oh no.", true)};
    for (auto& x : world->recent)
      x.created = wall_micros - 3'600'000'000;
    ears = spawn(listener, heard);
  }

  listened_session_actor start() {
    session_key key{{"default", "ada"}, "talk"};
    return spawn(session, parts, shard, false, std::make_shared<session_place>(std::move(key)));
  }

  void subscribe(const listened_session_actor& to, const subscription& x = wish()) {
    subscribe(to, ears, x);
  }

  void subscribe(const listened_session_actor& to, const event_client_actor& who,
                 const subscription& x) {
    caf::anon_send(to, flow(), atom::subscribe_v, who, owner_key{"default", "ada"},
                   std::string{"talk"}, x);
    run();
  }

  std::vector<std::string> messages() const {
    std::vector<std::string> result;
    for (auto& x : *heard)
      if (x.what == kind::message)
        result.push_back(x.text);
    return result;
  }

  size_t count(kind what) const {
    return static_cast<size_t>(
        std::count_if(heard->begin(), heard->end(), [&](auto& x) { return x.what == what; }));
  }

  heard_events heard;
  event_client_actor ears;
};

} // namespace

TEST_CASE(
    "the companion may speak when it was silent for long, once a silence and so often an hour") {
  constexpr int64_t minute = 60'000'000'000;
  auto who = chatty();
  session_events x;
  x.said(0);
  CHECK(x.due(who) == 10 * minute);
  x.tried();
  CHECK_FALSE(x.due(who));
  x.spoke(10 * minute);
  x.said(12 * minute);
  CHECK(x.due(who) == 70 * minute); // once an hour
  who.proactive_per_hour = 2;
  CHECK(x.due(who) == 22 * minute);
  who.proactive_after = 0ms;
  CHECK_FALSE(x.due(who));
}

TEST_CASE("what was stored tells when the companion spoke first") {
  CHECK(unasked({}).empty());
  CHECK(unasked({{false, 1}, {true, 2}, {false, 3}, {true, 4}}).empty());
  CHECK(unasked({{false, 1}, {true, 2}, {true, 3}, {false, 4}, {true, 5}, {true, 6}})
        == std::vector<int64_t>{3, 6});
}

TEST_CASE_METHOD(listened_fixture, "a listener is told of typing and of a mood that changed") {
  auto s = start();
  subscribe(s);
  say(s, 1, "hello");
  say(s, 2, "hello again");
  run();
  CHECK(done() == std::vector<uint64_t>{1, 2});
  REQUIRE(count(kind::typing) == 4);
  REQUIRE(count(kind::mood) == 1); // joy, and joy again
  CHECK(heard->front().what == kind::typing);
  CHECK(heard->front().on);
  CHECK(heard->front().owner.owner == "ada");
  CHECK(heard->front().conversation == "talk");
}

TEST_CASE_METHOD(listened_fixture, "only what was asked for is told, and nothing after the lease") {
  auto s = start();
  subscribe(s, wish(event_bit(kind::mood), 1min));
  say(s, 1, "hello");
  run();
  CHECK(count(kind::mood) == 1);
  CHECK(count(kind::typing) == 0);
  subscribe(s, wish(event_bit(kind::typing), 1min));
  pass(2min);
  say(s, 2, "hello");
  run();
  CHECK(heard->size() == 1);
}

TEST_CASE_METHOD(listened_fixture, "who unsubscribes is told nothing more") {
  auto s = start();
  subscribe(s);
  subscribe(s, wish(all_events, 0s));
  say(s, 1, "hello");
  run();
  CHECK(heard->empty());
}

TEST_CASE_METHOD(listened_fixture, "a turn that is cancelled ends the typing") {
  world->model_silent = true;
  auto s = start();
  subscribe(s);
  say(s, 1, "hello");
  run();
  REQUIRE(count(kind::typing) == 1);
  caf::anon_send<caf::message_priority::high>(s, flow(), atom::cancel_v, client(), uint64_t{1},
                                              false);
  run();
  REQUIRE(count(kind::typing) == 2);
  CHECK_FALSE(heard->back().on);
}

TEST_CASE_METHOD(listened_fixture,
                 "the seventeenth listener takes the place of the one that ends first") {
  auto s = start();
  subscribe(s, wish(all_events, 1min));
  for (int i = 0; i < 16; ++i)
    subscribe(s, spawn(listener, std::make_shared<std::vector<session_event>>()), wish());
  REQUIRE(heard->size() == 1);
  CHECK(heard->front().what == kind::lapsed);
  say(s, 1, "hello");
  run();
  CHECK(heard->size() == 1);
}

TEST_CASE_METHOD(listened_fixture,
                 "after a long silence the companion speaks first, once, and it is stored") {
  auto s = start();
  subscribe(s);
  say(s, 1, "my cat is ill", "chatty");
  run();
  pass(9min);
  CHECK(messages().empty());
  pass(2min);
  REQUIRE(messages().size() == 1);
  REQUIRE(world->stored.size() == 3);
  CHECK(world->stored.back().own);
  CHECK(world->stored.back().text == messages().front());
  CHECK(world->stored.back().conversation == "talk");
  CHECK(world->prompts.back().messages.back().role == "system");
  for (int i = 0; i < 20; ++i)
    pass(10min); // and the lease ends
  CHECK(messages().size() == 1);
}

TEST_CASE_METHOD(listened_fixture, "with nobody who listens for messages it says nothing") {
  auto s = start();
  SECTION("nobody") {}
  SECTION("for something else") {
    subscribe(s, wish(event_bit(kind::typing)));
  }
  SECTION("not any more") {
    subscribe(s, wish(all_events, 5min));
  }
  say(s, 1, "hello", "chatty");
  run();
  pass(11min);
  pass(11min);
  CHECK(messages().empty());
  CHECK(world->stored.size() == 2);
}

TEST_CASE_METHOD(listened_fixture,
                 "a turn ends the silence, and what was about to be said is not") {
  auto s = start();
  subscribe(s);
  say(s, 1, "hello", "chatty");
  run();
  world->model_silent = true;
  pass(11min);
  CHECK(world->prompts.size() == 2);
  world->model_silent = false;
  say(s, 2, "I am back", "chatty");
  run();
  CHECK(world->cancelled == 1);
  CHECK(done() == std::vector<uint64_t>{1, 2});
  CHECK(messages().empty());
  CHECK(world->stored.size() == 4);
}

TEST_CASE_METHOD(listened_fixture, "nothing is said while a turn runs") {
  auto s = start();
  subscribe(s);
  say(s, 1, "hello", "chatty");
  run();
  pass(9min + 40s);
  world->model_silent = true;
  say(s, 2, "tell me a story", "chatty");
  run();
  pass(50s);
  CHECK(world->prompts.size() == 2);
  CHECK(world->most_at_once == 1);
  CHECK(messages().empty());
}

TEST_CASE_METHOD(listened_fixture, "a session that is listened to stays until the lease ends") {
  auto s = start();
  subscribe(s, wish(all_events, 5min));
  auto first = ask<bool>(s, context{}, atom::passivate_v);
  REQUIRE(first);
  CHECK_FALSE(*first);
  pass(6min);
  auto second = ask<bool>(s, context{}, atom::passivate_v);
  REQUIRE(second);
  CHECK(*second);
}

TEST_CASE_METHOD(listened_fixture,
                 "a session that starts anew knows from the store how long the silence is") {
  auto s = start();
  subscribe(s);
  SECTION("long: it speaks after the time from its start") {
    pass(11min);
    CHECK(messages().size() == 1);
  }
  SECTION("it spoke already") {
    world->recent.push_back(line("chatty", "How is the cat?", true));
    world->recent.back().created = wall_micros - 1'800'000'000;
    pass(11min);
    pass(40min);
    CHECK(messages().empty());
  }
  SECTION("shorter than its own life") {
    world->recent.back().created = wall_micros + 480'000'000;
    pass(11min);
    CHECK(messages().empty());
    pass(8min);
    CHECK(messages().size() == 1);
  }
  SECTION("nothing was ever said") {
    world->recent.clear();
    pass(11min);
    CHECK(messages().empty());
  }
}

TEST_CASE_METHOD(listened_fixture,
                 "a model that never answers does not keep the session for ever") {
  auto s = start();
  subscribe(s, wish(all_events, 12min));
  say(s, 1, "hello", "chatty");
  run();
  world->model_silent = true;
  pass(11min);
  CHECK(world->prompts.size() == 2);
  pass(2min);
  CHECK(world->cancelled == 1);
  pass(2min);
  auto ended = ask<bool>(s, context{}, atom::passivate_v);
  REQUIRE(ended);
  CHECK(*ended);
}

TEST_CASE_METHOD(listened_fixture, "what is forgotten is not spoken of") {
  auto s = start();
  subscribe(s);
  say(s, 1, "my cat is ill", "chatty");
  run();
  world->model_silent = true;
  pass(11min);
  caf::anon_send<caf::message_priority::high>(s, flow(), atom::forget_v);
  run();
  CHECK(world->cancelled == 1);
  CHECK(messages().empty());
}
