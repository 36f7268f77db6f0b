#include "test/nodes/native_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("what is not a frontend's to say is taken out of its writes", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  memory_write write;
  write.owner = {"", "ada"};
  auto& one = write.memories.emplace_back();
  one.text = "Ada likes boats.";
  one.metadata = R"({"kind": "note"})";
  one.own = true;
  one.seq = 77;
  write.vectors = {{1, 2, 3}};
  write.turns.emplace_back().key = "k";
  write.summaries.emplace_back().text = "forged";
  f.send(x, write);
  REQUIRE(f.world->writes.size() == 1);
  auto& got = f.world->writes[0];
  CHECK(got.owner == owner_key{"default", "ada"});
  CHECK(got.memories.at(0).text == "Ada likes boats.");
  CHECK(got.memories.at(0).seq == 0);
  CHECK_FALSE(got.memories.at(0).own);
  CHECK(got.vectors.empty());
  CHECK(got.turns.empty());
  CHECK(got.summaries.empty());
  CHECK(x.channel->last<memory_receipt>()->ids == std::vector<std::string>{"m"});
}

TEST_CASE("a call that is wrong is answered with what is wrong", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  auto wrong = [&](native_call call, const std::string& why) {
    f.send(x, std::move(call));
    CHECK(has(x.channel->why(), why));
    CHECK_FALSE(x.channel->closed);
  };
  auto turn = native_fixture::turn();
  turn.text.clear();
  wrong(turn, "'text' is required");
  turn.text = "\xff";
  wrong(turn, "UTF-8");
  turn.text = std::string(f.with.gateway.max_text + 1, 'x');
  wrong(turn, "at most");
  turn.text = "hello";
  turn.persona = "nobody";
  wrong(turn, "no persona 'nobody'");
  turn.persona.clear();
  turn.parameters = "[1]";
  wrong(turn, "JSON object");
  turn.parameters.clear();
  turn.history = {{"tool", "x"}};
  wrong(turn, "roles");
  memory_write write;
  write.owner.owner = "ada";
  wrong(write, "one memory or an array");
  write.memories.emplace_back().text = "x";
  write.memories[0].metadata = "{";
  wrong(write, "");
  memory_query query;
  query.owner.owner = "ada";
  wrong(query, "'text' is required");
  query.text = "x";
  query.k = 0;
  wrong(query, "'k'");
  wrong(native_forget{}, "'owner' is required");
  wrong(native_remove{{"", "ada"}, ""}, "'id' is required");
  CHECK(f.world->turns.empty());
  CHECK(f.world->writes.empty());
  CHECK(f.world->asked.empty());
}

TEST_CASE("events go to the frontend that asked for them, of its own tenant", "[native]") {
  native_fixture f;
  auto x = f.welcome({}, {"bot", "globex"});
  native_subscribe wish;
  wish.owner = {"default", "ada"};
  wish.wanted.lease = 1'000'000'000'000'000; // more than anybody gets
  f.send(x, wish);
  REQUIRE(f.world->events.size() == 1);
  CHECK(f.world->events[0].first == owner_key{"globex", "ada"});
  CHECK(f.world->events[0].second.lease <= std::chrono::nanoseconds{5min}.count());
  session_event event;
  event.owner = {"globex", "ada"};
  event.conversation = "ada";
  event.on = true;
  caf::anon_send(x.actor, context{}, atom::event_v, event);
  event.owner.tenant = "default";
  caf::anon_send(x.actor, context{}, atom::event_v, event);
  f.run();
  auto told = std::count_if(x.channel->frames.begin(), x.channel->frames.end(),
                            [](auto& y) { return std::holds_alternative<session_event>(y.body); });
  CHECK(told == 1);
}
