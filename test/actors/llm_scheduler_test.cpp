#include <map>

#include "actors/llm_scheduler.hpp"
#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// Connections that answer when the test says so.
struct fake_providers {
  struct call {
    std::string deployment;
    llm_client_actor client;
    uint64_t number;
    std::string text;
  };
  std::vector<call> calls;
  int connections = 0, cancelled = 0, builtins = 0;
  std::map<uint64_t, completion> completed;
  std::map<uint64_t, failure> failed;
  std::vector<uint64_t> order;
  std::string tokens;
  std::map<uint64_t, std::string> tokens_of;
  std::vector<priority> levels;
};

llm_actor::behavior_type connection(llm_actor::pointer, fake_providers* p, std::string name) {
  return {[=](const context& ctx, atom::generate, llm_client_actor& client, uint64_t number,
              const generation& x) {
            p->calls.push_back({name, client, number, x.messages.at(0).content});
            p->levels.push_back(ctx.level);
          },
          [=](const context&, atom::cancel, const llm_client_actor&, uint64_t) { ++p->cancelled; }};
}

llm_actor::behavior_type fake_builtin(llm_actor::pointer self, fake_providers* p) {
  return {[=](const context& ctx, atom::generate, const llm_client_actor& client, uint64_t number,
              const generation&) {
            ++p->builtins;
            completion x;
            x.deployment = "builtin";
            self->send(client, ctx, atom::completed_v, number, x);
          },
          [](const context&, atom::cancel, const llm_client_actor&, uint64_t) {}};
}

llm_client_actor::behavior_type listener(llm_client_actor::pointer, fake_providers* p) {
  return {[=](const context&, atom::token, uint64_t ticket, const std::string& x) {
            p->tokens += x;
            p->tokens_of[ticket] += x;
          },
          [=](const context&, atom::completed, uint64_t ticket, completion& x) {
            p->completed[ticket] = std::move(x);
          },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            p->failed[ticket] = std::move(why);
          }};
}

struct narrow_state {
  static inline const char* name = "narrow";
};

/// The same, with the mailbox that our actors have.
llm_client_actor::behavior_type narrow(actor_of<llm_client_actor, narrow_state>* self,
                                       fake_providers* p) {
  return listener(self, p);
}

struct scheduler_fixture : test::frozen_system {
  explicit scheduler_fixture(bool fallback = false, uint32_t concurrency = 2) {
    llm_options options;
    options.max_waiting = 3;
    options.breaker_failures = 2;
    options.builtin_fallback = fallback;
    for (auto* name : {"one", "two"}) {
      llm_deployment x;
      x.name = name;
      x.max_concurrency = concurrency;
      options.deployments.push_back(x);
    }
    client = spawn(listener, &p);
    home = spawn(llm_scheduler, options, spawn(fake_builtin, &p),
                 connect_function{[this](caf::actor_system&, const llm_deployment& to) {
                   ++p.connections;
                   connections.push_back(spawn(connection, &p, to.name));
                   return connections.back();
                 }});
  }

  void ask(uint64_t ticket, std::vector<std::string> deployments = {"one"},
           priority level = priority::normal, caf::timespan budget = 0s) {
    generation x;
    x.deployments = std::move(deployments);
    x.persona = "companion";
    x.messages = {{"user", std::to_string(ticket)}};
    caf::anon_send(home, flow(level, budget), atom::generate_v, client, ticket, x);
    run();
  }

  /// The same question for every ticket, and nothing left to chance.
  void ask_same(uint64_t ticket, priority level = priority::normal, caf::timespan budget = 0s,
                const char* parameters = R"({"temperature":0})", const char* tenant = "acme") {
    generation x;
    x.tenant = tenant;
    x.deployments = {"one", "two"};
    x.persona = "companion";
    x.messages = {{"user", "same"}};
    x.parameters = parameters;
    x.stream = true;
    caf::anon_send(home, flow(level, budget), atom::generate_v, client, ticket, x);
    run();
  }

  void token(size_t call, const char* text) {
    caf::anon_send(p.calls.at(call).client, flow(), atom::token_v, p.calls[call].number,
                   std::string{text});
    run();
  }

  void cancel(uint64_t ticket) {
    caf::anon_send<caf::message_priority::high>(home, flow(), atom::cancel_v, client, ticket);
    run();
  }

  void answer(size_t call) {
    completion x;
    x.deployment = p.calls.at(call).deployment;
    caf::anon_send(p.calls[call].client, flow(), atom::completed_v, p.calls[call].number, x);
    run();
  }

  void fail(size_t call, failure why = {ec::upstream_failed, "broken on purpose", {}}) {
    caf::anon_send(p.calls.at(call).client, flow(), atom::failed_v, p.calls[call].number, why);
    run();
  }

  fake_providers p;
  std::vector<llm_actor> connections;
  llm_client_actor client;
  llm_scheduler_actor home;
};

} // namespace

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
