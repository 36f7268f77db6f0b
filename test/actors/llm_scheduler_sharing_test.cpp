#include "test/actors/llm_scheduler_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(scheduler_fixture, "equal prompts without chance are one call, answered to all") {
  for (uint64_t i = 1; i <= 3; ++i)
    ask_same(i);
  ask_same(4, priority::normal, 0s, R"({"seed":7})");
  ask_same(5, priority::normal, 0s, R"({"temperature":0})", "other");
  CHECK(p.calls.size() == 2); // the third waits
  answer(0);
  CHECK(p.completed.size() == 3);
  CHECK(p.calls.size() == 3);
  ask_same(6); // the first call is over
  answer(1);
  CHECK(p.calls.size() == 4);
}

TEST_CASE_METHOD(scheduler_fixture, "who joins a stream gets what was said so far first") {
  ask_same(1);
  token(0, "Hel");
  token(0, "lo");
  ask_same(2);
  CHECK(p.tokens_of[2] == "Hello");
  token(0, "!");
  CHECK(p.tokens_of[1] == "Hello!");
  CHECK(p.tokens_of[2] == "Hello!");
  answer(0);
  CHECK(p.completed.size() == 2);
}

TEST_CASE_METHOD(scheduler_fixture, "one who leaves a shared call leaves the others their answer") {
  ask_same(1);
  ask_same(2);
  cancel(1);
  CHECK(p.cancelled == 0);
  answer(0);
  CHECK(p.completed.size() == 1);
  CHECK(p.completed.count(2) == 1);
  ask_same(3);
  ask_same(4);
  cancel(3);
  cancel(4);
  CHECK(p.cancelled == 1);
  ask_same(5);
  CHECK(p.calls.size() == 3);
}

TEST_CASE_METHOD(scheduler_fixture, "a shared call that waits goes by its best level") {
  ask(1);
  ask(2);
  ask_same(3, priority::background);
  ask(4);
  ask_same(5, priority::critical);
  answer(0);
  REQUIRE(p.calls.size() == 3);
  CHECK(p.calls[2].text == "same");
  CHECK(p.levels[2] == priority::critical);
  answer(2);
  CHECK(p.completed.count(3) == 1);
  CHECK(p.completed.count(5) == 1);
}

TEST_CASE_METHOD(scheduler_fixture, "everybody of a shared call has their own deadline") {
  ask_same(1, priority::normal, 1s);
  ask_same(2, priority::normal, 10s);
  ask_same(3);
  pass(2s);
  CHECK(p.failed.at(1).code == ec::timeout);
  CHECK(p.failed.size() == 1);
  pass(10s);
  CHECK(p.failed.at(2).code == ec::timeout);
  CHECK(p.cancelled == 0);
  answer(0);
  CHECK(p.completed.count(3) == 1);
  ask_same(4, priority::normal, 1s);
  pass(2s);
  CHECK(p.failed.at(4).code == ec::timeout);
  CHECK(p.cancelled == 1);
}

TEST_CASE_METHOD(scheduler_fixture, "a shared call fails all the same way") {
  ask_same(1);
  ask_same(2);
  fail(0); // goes on at the next deployment
  CHECK(p.failed.empty());
  ask_same(3);
  CHECK(p.calls.size() == 2);
  fail(1);
  CHECK(p.failed.size() == 3);
  CHECK(p.failed.at(1).message == p.failed.at(3).message);
}

TEST_CASE_METHOD(scheduler_fixture, "a full queue refuses a shared call to all its askers") {
  ask(1);
  ask(2);
  ask_same(3, priority::low);
  ask_same(4, priority::low);
  ask(5);
  ask(6);
  ask(7);
  CHECK(p.failed.size() == 2);
  CHECK(p.failed.at(3).code == ec::overloaded);
  CHECK(p.failed.at(4).code == ec::overloaded);
}

TEST_CASE_METHOD(scheduler_fixture,
                 "what is cancelled before it is looked at costs nobody a call") {
  generation x;
  x.deployments = {"one"};
  x.persona = "companion";
  x.messages = {{"user", "hello"}};
  caf::anon_send(home, flow(), atom::generate_v, client, uint64_t{1}, x);
  caf::anon_send<caf::message_priority::high>(home, flow(), atom::cancel_v, client, uint64_t{1});
  run(); // the cancel comes first: it is control
  CHECK(p.calls.empty());
  ask(2);
  CHECK(p.calls.size() == 1);
}
