#pragma once

#include <cstddef>
#include <cstdint>

namespace sotto {

/// How busy the machine is.
struct machine_load {
  /// Share of all cores' time that somebody used since the last look.
  double cpu = 0;
  /// Share of the memory that is left, of the machine or of the control group's limit, whichever
  /// is less.
  double memory_free = 1;
};

/// Looks at the machine. Reads a few lines of /proc and /sys, which touches no disk.
class load_meter {
public:
  machine_load read();

private:
  uint64_t busy_ = 0, all_ = 0;
};

struct pool_limits {
  /// Workers kept at least, and at most.
  size_t least = 1;
  size_t most = 4;
  /// A worker that was not needed for so long is let go (nanoseconds).
  int64_t idle_after = 10'000'000'000;
  /// From this share of busy cores on, more workers would only share them. 1 or more: never, for
  /// workers that wait more than they work.
  double most_cpu = 0.95;
  /// Below this share of free memory the pool goes back to the least.
  double least_memory = 0.05;
};

/// How many workers a pool should have.
class pool_policy {
public:
  explicit pool_policy(pool_limits limits) : limits_(limits) {}

  /// `workers` there are, of which `busy` work, while `waiting` jobs wait.
  size_t wanted(size_t workers, size_t busy, size_t waiting, const machine_load& load, int64_t now);

private:
  pool_limits limits_;
  /// Since when there was always a worker without work; 0: there is none.
  int64_t spare_since_ = 0;
};

} // namespace sotto
