#pragma once

#include <catch2/catch.hpp>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "runtime/base_actor.hpp"

namespace sotto::test {

/// An actor system on one thread with a clock that stands still: nothing runs but by `run`, time
/// passes by `pass` alone. The seed chooses which of the ready actors goes next.
class frozen_system {
public:
  explicit frozen_system(uint64_t seed = 1)
      : services(std::make_shared<node_services>(seed, 4096)), config(services), random_(seed) {
    services->wall = [this] { return wall_micros; };
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
    self = std::make_unique<caf::scoped_actor>(*system);
  }

  ~frozen_system() {
    self.reset();
    for (auto& x : spawned_)
      caf::anon_send_exit(x, caf::exit_reason::kill);
    spawned_.clear();
    run();
    system.reset();
  }

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system->scheduler());
  }

  /// Spawns an actor that is stopped with the fixture.
  template <class F, class... Ts>
  auto spawn(F f, Ts&&... xs) {
    auto handle = system->spawn(f, std::forward<Ts>(xs)...);
    spawned_.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  /// Runs ready actors, in an order the seed chooses, until none is ready.
  void run() {
    auto& jobs = scheduler().jobs;
    while (!jobs.empty()) {
      std::swap(jobs.front(), jobs[random_() % jobs.size()]);
      scheduler().run_once();
    }
  }

  /// Lets time pass, fires the timers that fall due and runs what they wake.
  void pass(caf::timespan time) {
    run();
    wall_micros += std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    scheduler().advance_time(time);
    run();
  }

  /// The context of a new flow with `budget` to its deadline (0: none).
  context flow(priority level = priority::normal, caf::timespan budget = caf::timespan{0}) {
    return services->new_flow(scheduler().clock().now().time_since_epoch().count(), budget.count(),
                              level);
  }

  /// Sends a request, runs the system until idle, and returns the answer, or the failure. The
  /// receiver must answer without time passing; use `pass` and `(*self)->request` otherwise.
  template <class T, class Handle, class... Ts>
  caf::expected<T> ask(const Handle& to, Ts&&... xs) {
    auto pending = (*self)->request(to, caf::infinite, std::forward<Ts>(xs)...);
    run();
    caf::expected<T> result{caf::make_error(caf::sec::request_timeout)};
    if ((*self)->mailbox().empty())
      return result;
    pending.receive([&](T& x) { result = std::move(x); },
                    [&](caf::error& err) { result = std::move(err); });
    return result;
  }

  std::shared_ptr<node_services> services;
  node_config config;
  /// The wall clock; starts on 2026-01-01.
  int64_t wall_micros = 1'767'225'600'000'000;
  std::unique_ptr<caf::actor_system> system;
  std::unique_ptr<caf::scoped_actor> self;

private:
  std::vector<caf::strong_actor_ptr> spawned_;
  splitmix random_;
};

} // namespace sotto::test
