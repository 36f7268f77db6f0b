#pragma once

#include <functional>
#include <memory>

#include "config/options.hpp"
#include "runtime/operation.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// Why the lanes of the configuration cannot be: an operation that cannot be isolated.
failure check_lanes(const options& with);

/// Starts the pools of workers and the hosts of isolated operations; `keep` owns what is started.
std::shared_ptr<const work_places>
start_work_places(caf::actor_system& system, reactor& io, const options& with,
                  const std::function<void(caf::strong_actor_ptr)>& keep);

/// Threads that run a node's actors.
uint32_t worker_count(const options& with);

} // namespace sotto
