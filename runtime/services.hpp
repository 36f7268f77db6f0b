#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <prometheus/registry.h>

#include "messages/context.hpp"
#include "runtime/clock.hpp"
#include "runtime/random.hpp"
#include "runtime/recorder.hpp"

namespace sotto {

/// What every actor of a node shares. Outlives the actor system. All members may be used from any
/// thread.
struct node_services {
  explicit node_services(uint64_t seed, size_t recorder_capacity = 65'536);

  /// The next of a sequence of distinct 64-bit numbers that depends on the seed alone.
  uint64_t next_id();

  /// The context of a new flow; its deadline is `budget` nanoseconds after `now` (0: none).
  context new_flow(int64_t now, int64_t budget, priority level = priority::normal);

  uint64_t seed;
  wall_clock wall = system_wall_clock();
  recorder flows;
  prometheus::Registry metrics;
  /// Most messages that may wait in one actor's five levels.
  size_t mailbox_bound = 65'536;

private:
  std::atomic<uint64_t> next_{0};
};

/// The actor system's configuration: our message types, the scheduler as measured best, and the
/// services.
class node_config : public caf::actor_system_config {
public:
  explicit node_config(std::shared_ptr<node_services> services);

  node_services& services() const { return *services_; }

private:
  std::shared_ptr<node_services> services_;
};

/// The services of a system that was made with a `node_config`.
node_services& services_of(const caf::actor_system& system);

} // namespace sotto
