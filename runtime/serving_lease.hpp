#pragma once

#include <atomic>
#include <cstdint>

namespace sotto {

/// Nanoseconds of a clock that is never set and that goes on while the machine sleeps.
int64_t boot_nanos();

/// Until when this node may serve what it owns. Set by MEMBERSHIP; asked by whoever is about to
/// serve, from any thread: it holds also where MEMBERSHIP itself is late.
class serving_lease {
public:
  void until(int64_t nanos) { until_.store(nanos, std::memory_order_release); }
  bool holds(int64_t now) const { return now < until_.load(std::memory_order_acquire); }
  bool holds() const { return holds(boot_nanos()); }

private:
  std::atomic<int64_t> until_{INT64_MIN};
};

} // namespace sotto
