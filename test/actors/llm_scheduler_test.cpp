#include "test/actors/llm_scheduler_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(scheduler_fixture,
                 "no more generations run than a deployment allows, the important go first") {
  ask(1);
  ask(2);
  ask(3, {"one"}, priority::background);
  ask(4, {"one"}, priority::critical);
  CHECK(p.calls.size() == 2);
  answer(0);
  REQUIRE(p.calls.size() == 3);
  CHECK(p.calls[2].text == "4");
  answer(1);
  CHECK(p.calls[3].text == "3");
  CHECK(p.connections == 2);
}

TEST_CASE_METHOD(scheduler_fixture, "a full queue refuses the newest of the lowest level") {
  for (uint64_t i = 1; i <= 5; ++i)
    ask(i);
  ask(6);
  ask(7, {"one"}, priority::high);
  CHECK(p.failed.size() == 2);
  CHECK(p.failed.at(6).code == ec::overloaded);
  CHECK(p.failed.at(5).code == ec::overloaded);
}

TEST_CASE_METHOD(scheduler_fixture,
                 "a deployment that fails before the first token gives way to the next") {
  ask(1, {"one", "two"});
  fail(0);
  REQUIRE(p.calls.size() == 2);
  CHECK(p.calls[1].deployment == "two");
  answer(1);
  CHECK(p.completed.at(1).failed == std::vector<std::string>{"one"});
}

TEST_CASE_METHOD(scheduler_fixture, "after the first token there is no second try") {
  ask(1, {"one", "two"});
  caf::anon_send(p.calls[0].client, flow(), atom::token_v, p.calls[0].number, std::string{"Hel"});
  run();
  fail(0);
  CHECK(p.tokens == "Hel");
  CHECK(p.calls.size() == 1);
  CHECK(p.failed.at(1).code == ec::upstream_failed);
}

TEST_CASE_METHOD(scheduler_fixture, "a request that is wrong in itself is not sent to others") {
  ask(1, {"one", "two"});
  fail(0, {ec::invalid, "one: HTTP 400: bad temperature", {}});
  CHECK(p.calls.size() == 1);
  CHECK(p.failed.at(1).code == ec::invalid);
}

TEST_CASE_METHOD(scheduler_fixture,
                 "a breaker leaves a failing deployment alone and tries it again later") {
  ask(1);
  fail(0);
  ask(2);
  fail(1);
  ask(3);
  CHECK(p.calls.size() == 2);
  CHECK(p.failed.at(3).message.find("left alone") != std::string::npos);
  pass(2s);
  ask(4);
  ask(5); // one trial at a time
  CHECK(p.calls.size() == 3);
  CHECK(p.failed.count(5) == 1);
  answer(2);
  ask(6);
  CHECK(p.calls.size() == 4);
}

TEST_CASE_METHOD(scheduler_fixture, "a provider that asks to wait is left alone for as long") {
  ask(1);
  fail(0, {ec::overloaded, "one: HTTP 429", "5"});
  pass(4s);
  ask(2);
  CHECK(p.calls.size() == 1);
  pass(2s);
  ask(3);
  CHECK(p.calls.size() == 2);
}

TEST_CASE_METHOD(scheduler_fixture, "what waits past its deadline is told so and never sent") {
  ask(1);
  ask(2);
  ask(3, {"one"}, priority::normal, 1s);
  pass(2s);
  CHECK(p.failed.at(3).code == ec::timeout);
  answer(0);
  CHECK(p.calls.size() == 2);
}

TEST_CASE_METHOD(scheduler_fixture, "a generation is cancelled where it is") {
  ask(1);
  ask(2);
  ask(3);
  for (uint64_t ticket : {3, 1})
    caf::anon_send<caf::message_priority::high>(home, flow(), atom::cancel_v, client, ticket);
  run();
  CHECK(p.cancelled == 1);
  answer(0); // came too late
  CHECK(p.completed.empty());
  ask(4);
  CHECK(p.calls.size() == 3);
  CHECK(p.connections == 2);
}

TEST_CASE_METHOD(scheduler_fixture, "a connection that dies fails its generation over") {
  ask(1, {"one", "two"});
  caf::anon_send_exit(connections.at(0), caf::exit_reason::kill);
  run();
  CHECK(p.calls.at(1).deployment == "two");
  answer(1);
  CHECK(p.completed.count(1) == 1);
}

TEST_CASE("the builtin responder answers where it may and everything else failed") {
  scheduler_fixture x{true};
  x.ask(1, {"one", "two"});
  x.fail(0);
  x.fail(1);
  CHECK(x.p.builtins == 1);
  CHECK(x.p.completed.at(1).failed == std::vector<std::string>{"one", "two"});
}

TEST_CASE_METHOD(scheduler_fixture, "without deployments the builtin responder answers") {
  ask(1, {});
  CHECK(p.completed.at(1).deployment == "builtin");
  ask(2, {"unknown"});
  CHECK(p.failed.at(2).code == ec::not_found);
}

TEST_CASE_METHOD(scheduler_fixture, "where a mailbox is full no piece of a text is lost") {
  services->mailbox_bound = 4;
  auto to = spawn(narrow, &p);
  generation x;
  x.deployments = {"one"};
  x.persona = "companion";
  x.messages = {{"user", "hello"}};
  x.stream = true;
  caf::anon_send(home, flow(), atom::generate_v, to, uint64_t{1}, x);
  run();
  std::string whole;
  for (int i = 0; i < 20; ++i) {
    auto piece = std::to_string(i) + ' ';
    whole += piece;
    caf::anon_send<caf::message_priority::high>(p.calls.at(0).client, flow(), atom::token_v,
                                                p.calls[0].number, piece);
  }
  completion done;
  done.text = whole;
  caf::anon_send<caf::message_priority::high>(p.calls.at(0).client, flow(), atom::completed_v,
                                              p.calls[0].number, done);
  run();
  CHECK(p.tokens_of[1] == whole);
  CHECK(p.completed.count(1) == 1);
}
