#include "test/nodes/socket_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(socket_fixture,
                 "the calls of a socket wait for one another, not for those of others") {
  auto loud = open(), quiet = open();
  for (auto* user : {"a", "b", "c", "d"})
    say(loud, user);
  say(loud, "e", {{"priority", "critical"}});
  say(quiet, "q");
  CHECK(users() == std::vector<std::string>{"a", "b", "q"});
  answer(0);
  CHECK(users().back() == "e");
  answer(1);
  CHECK(users().back() == "c");
  CHECK(loud.channel->of_type("reply").size() == 2);
}

TEST_CASE_METHOD(socket_fixture, "what waits is taken when it starts, what is refused at once") {
  auto x = open();
  auto bytes = say(x, "a") + say(x, "b");
  CHECK(x.channel->bytes_taken == bytes);
  auto waits = say(x, "c");
  CHECK(x.channel->bytes_taken == bytes);
  bytes += send(x, {{"id", 1}, {"type", "dance"}, {"priority", "asap"}});
  CHECK(x.channel->bytes_taken == bytes);
  CHECK(x.channel->frames_taken == 4);
  answer(0);
  CHECK(x.channel->bytes_taken == bytes + waits);
  CHECK(x.channel->frames_taken == 4);
}

TEST_CASE_METHOD(socket_fixture, "a call that waited too long is not worked on") {
  auto x = open();
  say(x, "a");
  say(x, "b");
  say(x, "c", {{"deadline_ms", 1000}});
  pass(2s);
  answer(0);
  CHECK(users() == std::vector<std::string>{"a", "b"});
  auto errors = x.channel->of_type("error");
  REQUIRE(errors.size() == 1);
  CHECK(errors[0]["body"]["code"] == "timeout");
}

TEST_CASE_METHOD(socket_fixture, "credit is told to who said hello") {
  auto x = open();
  send(x, {{"id", 0}, {"type", "hello"}});
  CHECK(x.channel->frames.at(0)["body"]["calls"] == 8);
  for (int i = 0; i < 9; ++i)
    say(x, std::to_string(i));
  REQUIRE(x.channel->of_type("error").size() == 1);
  CHECK(x.channel->of_type("error")[0]["body"]["code"] == "flow_control");
  answer(0);
  CHECK(x.channel->of_type("credit").empty());
  answer(1);
  REQUIRE(x.channel->of_type("credit").size() == 1);
  CHECK(x.channel->of_type("credit")[0]["body"]["calls"] == 2);
}

TEST_CASE_METHOD(socket_fixture, "a socket that closes leaves nothing behind") {
  auto x = open();
  send(x, {{"id", 1}, {"type", "subscribe"}, {"body", {{"user", "ada"}}}});
  for (auto* user : {"a", "b", "c"})
    say(x, user);
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::cancel_v);
  run();
  CHECK(world->cancelled == 2);
  CHECK(users().size() == 2);
  REQUIRE(world->events.size() == 2);
  CHECK(world->events.back().what.lease == 0);
}

TEST_CASE_METHOD(socket_fixture, "subscriptions are bounded and renewed, and can be ended") {
  auto x = open();
  auto subscribe = [&](const std::string& user) {
    send(x, {{"id", user}, {"type", "subscribe"}, {"body", {{"user", user}}}});
  };
  for (auto* user : {"a", "b", "c", "d", "a"})
    subscribe(user);
  CHECK(x.channel->of_type("reply").size() == 4);
  CHECK(x.channel->of_type("error").size() == 1);
  CHECK(world->events.size() == 4);
  pass(2min + 1s);
  CHECK(world->events.size() == 7);
  send(x, {{"id", 1}, {"type", "unsubscribe"}});
  CHECK(x.channel->frames.back()["body"]["unsubscribed"] == 3);
  pass(10min);
  CHECK(world->events.size() == 10);
}

TEST_CASE_METHOD(socket_fixture, "who listens to all it speaks for is told of each, once") {
  auto x = open();
  send(x, {{"id", 1}, {"type", "subscribe"}, {"body", {{"events", {"mood"}}}}});
  say(x, "a");
  say(x, "a");
  REQUIRE(world->events.size() == 1);
  CHECK(world->events[0].owner.owner == "a");
  CHECK(world->events[0].what.kinds == event_bit(session_event::kind::mood));
}

TEST_CASE_METHOD(socket_fixture, "events are dropped where too much waits to be read") {
  auto x = open();
  send(x, {{"id", "sub"}, {"type", "subscribe"}, {"body", {{"user", "ada"}}}});
  session_event typing;
  typing.on = true;
  tell(x, typing);
  REQUIRE(x.channel->of_type("event").size() == 1);
  CHECK(x.channel->frames.back()["id"] == "sub");
  CHECK(x.channel->frames.back()["body"]["on"] == true);
  x.channel->waiting = 1 << 20;
  tell(x, typing);
  CHECK(x.channel->of_type("event").size() == 1);
  x.channel->waiting = 0;
  session_event lapsed;
  lapsed.what = session_event::kind::lapsed;
  tell(x, lapsed);
  CHECK(x.channel->frames.back()["body"]["event"] == "lapsed");
  tell(x, typing);
  CHECK(x.channel->of_type("event").size() == 2);
}

TEST_CASE_METHOD(socket_fixture, "a draining node closes a socket when its calls are answered") {
  auto x = open();
  say(x, "a");
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::drain_v);
  run();
  CHECK(x.channel->closed == 0);
  answer(0);
  CHECK(x.channel->closed == socket_code::going_away);
}

TEST_CASE_METHOD(socket_fixture, "who is forgotten is forgotten in the groups of every partition") {
  constexpr uint32_t partitions = 100;
  auto home = to->partitions.at(0).first;
  to->partitions.fill(partitions, {});
  for (uint32_t i = 0; i < partitions; ++i)
    to->partitions.set(i, home, true);
  auto x = open();
  auto forget = [&](const char* user) {
    send(x, {{"id", user}, {"type", "forget"}, {"body", {{"user", user}}}});
  };
  SECTION("all of them answer") {
    forget("ada");
    auto reply = x.channel->of_type("reply").at(0)["body"];
    CHECK(reply["memories"] == 3);
    CHECK(reply["group_memories"] == 2 * partitions);
    std::vector<uint32_t> asked;
    for (auto& y : world->spoken) {
      CHECK(y.user == owner_key{"default", "ada"});
      asked.push_back(y.partition);
    }
    std::sort(asked.begin(), asked.end());
    REQUIRE(asked.size() == partitions);
    for (uint32_t i = 0; i < partitions; ++i)
      CHECK(asked[i] == i);
  }
  SECTION("one of them fails") {
    world->spoken_fails = 50;
    forget("ada");
    auto error = x.channel->of_type("error").at(0)["body"];
    CHECK(error["code"] == "unavailable");
    CHECK(error["message"].get<std::string>().find("forget them again") != std::string::npos);
    CHECK(x.channel->of_type("reply").empty());
  }
  SECTION("a group is forgotten alone") {
    forget("channel:den");
    CHECK(x.channel->of_type("reply").at(0)["body"]["group_memories"] == 0);
    CHECK(world->spoken.empty());
  }
}

TEST_CASE_METHOD(socket_fixture,
                 "in a group the user is the author, whatever they are called there") {
  auto x = open();
  send(x, {{"id", 1},
           {"type", "say"},
           {"body",
            {{"user", "ada"}, {"speaker", "The Countess"}, {"group", "den"}, {"text", "hi"}}}});
  REQUIRE(world->turns.size() == 1);
  CHECK(world->turns[0].request.owner.owner == "channel:den");
  CHECK(world->turns[0].request.speaker == "The Countess");
  CHECK(world->turns[0].request.author == "ada");
}
