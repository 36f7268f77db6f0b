#pragma once

#include <map>

#include "actors/llm_scheduler.hpp"
#include "test/fixture.hpp"

namespace sotto::test {

using namespace std::chrono_literals;

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

inline llm_actor::behavior_type connection(llm_actor::pointer, fake_providers* p,
                                           std::string name) {
  return {[=](const context& ctx, atom::generate, llm_client_actor& client, uint64_t number,
              const generation& x) {
            p->calls.push_back({name, client, number, x.messages.at(0).content});
            p->levels.push_back(ctx.level);
          },
          [=](const context&, atom::cancel, const llm_client_actor&, uint64_t) { ++p->cancelled; }};
}

inline llm_actor::behavior_type fake_builtin(llm_actor::pointer self, fake_providers* p) {
  return {[=](const context& ctx, atom::generate, const llm_client_actor& client, uint64_t number,
              const generation&) {
            ++p->builtins;
            completion x;
            x.deployment = "builtin";
            self->send(client, ctx, atom::completed_v, number, x);
          },
          [](const context&, atom::cancel, const llm_client_actor&, uint64_t) {}};
}

inline llm_client_actor::behavior_type listener(llm_client_actor::pointer, fake_providers* p) {
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
inline llm_client_actor::behavior_type narrow(actor_of<llm_client_actor, narrow_state>* self,
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

} // namespace sotto::test
