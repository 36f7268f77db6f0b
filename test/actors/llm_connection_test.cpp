#include "actors/llm_connection.hpp"

#include <map>

#include <nlohmann/json.hpp>

#include "test/fixture.hpp"

using namespace sotto;
using json = nlohmann::json;

namespace {

/// Outlives the system: what is still under way at the end is cancelled then.
struct seen_by_test {
  struct posted {
    std::string said;
    http_events events;
  };
  /// What the link was told, in order.
  std::vector<posted> posts;
  std::vector<std::string> told;
  bool busy = false, doubled = false;
  std::map<uint64_t, std::string> texts;
  std::map<uint64_t, failure> failed;
};

llm_client_actor::behavior_type asker(llm_client_actor::pointer, seen_by_test* w) {
  return {[](const context&, atom::token, uint64_t, const std::string&) {},
          [=](const context&, atom::completed, uint64_t ticket, completion& x) {
            w->texts[ticket] = std::move(x.text);
          },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            w->failed[ticket] = std::move(why);
          }};
}

/// A provider that the test plays.
struct played_provider : seen_by_test, test::frozen_system {
  struct link : http_link {
    explicit link(played_provider& to) : to_(to) {}
    void post(http_post what, http_events events) override {
      auto said = json::parse(what.body)["messages"][0]["content"].get<std::string>();
      to_.doubled = to_.doubled || std::exchange(to_.busy, true);
      to_.told.push_back(said);
      to_.posts.push_back({said, std::move(events)});
    }
    void cancel() override {
      to_.busy = false;
      to_.told.emplace_back("cancel");
    }
    played_provider& to_;
  };

  played_provider() {
    llm_deployment to;
    to.name = "one";
    client = spawn(asker, this);
    home = spawn(llm_connection, to, std::make_shared<link>(*this));
  }

  void ask(uint64_t ticket, priority level = priority::normal) {
    generation x;
    x.messages = {{"user", std::to_string(ticket)}};
    caf::anon_send(home, flow(level), atom::generate_v, client, ticket, x);
  }

  void cancel(uint64_t ticket) {
    caf::anon_send<caf::message_priority::high>(home, context{}, atom::cancel_v, client, ticket);
  }

  void answer(size_t i, const std::string& text) {
    http_head head;
    head.status = 200;
    head.content_type = "application/json";
    busy = false;
    auto& to = posts.at(i).events;
    to.on_head(head);
    json said;
    said["choices"][0]["message"] = {{"role", "assistant"}, {"content", text}};
    to.on_piece(said.dump());
    to.on_end();
    run();
  }

  llm_client_actor client;
  llm_connection_actor home;
};

} // namespace

TEST_CASE_METHOD(played_provider, "a connection answers one generation after the other", "[llm]") {
  ask(1);
  run();
  answer(0, "the first");
  ask(2);
  run();
  answer(1, "the second");
  CHECK(texts == std::map<uint64_t, std::string>{{1, "the first"}, {2, "the second"}});
}

TEST_CASE_METHOD(played_provider, "a generation that is given up is dropped with its socket",
                 "[llm]") {
  ask(1);
  run();
  cancel(1);
  ask(2);
  run();
  CHECK(told == std::vector<std::string>{"1", "cancel", "2"});
  answer(1, "the second");
  CHECK(texts == std::map<uint64_t, std::string>{{2, "the second"}});
}

TEST_CASE_METHOD(played_provider, "one that was given up before it began never begins", "[llm]") {
  // The connection is behind: it hears all of this at once, what is urgent first.
  ask(1);
  cancel(1);
  ask(2);
  run();
  CHECK(told == std::vector<std::string>{"2"});
  answer(0, "the second");
  CHECK(texts == std::map<uint64_t, std::string>{{2, "the second"}});
}

TEST_CASE_METHOD(played_provider, "two are never under way at once, whatever overtakes what",
                 "[llm]") {
  // The next one is more urgent and comes first.
  ask(1, priority::low);
  cancel(1);
  ask(2, priority::high);
  run();
  CHECK(told == std::vector<std::string>{"2"});
  // Also where the word that the former is over is lost.
  ask(3);
  run();
  CHECK_FALSE(doubled);
  CHECK(told == std::vector<std::string>{"2", "cancel", "3"});
  answer(1, "the third");
  CHECK(texts == std::map<uint64_t, std::string>{{3, "the third"}});
}
