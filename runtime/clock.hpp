#pragma once

#include <cstdint>
#include <functional>

namespace sotto {

/// Wall-clock time in microseconds since 1970, UTC. For what is told to people and stored; waiting
/// and deadlines use the actor clock.
using wall_clock = std::function<int64_t()>;

wall_clock system_wall_clock();

/// Monotonic nanoseconds for code that runs outside actors (the reactor, tools). Comparable with
/// the actor clock of a node that is not under test.
int64_t monotonic_nanos();

} // namespace sotto
