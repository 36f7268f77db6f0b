#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/fence.hpp"

namespace sotto {

/// Nanoseconds of a clock that is never set and that goes on while the machine sleeps.
int64_t boot_nanos();

/// Until when this node may serve what it owns. Set by MEMBERSHIP; asked by whoever is about to
/// serve, from any thread: it holds also where MEMBERSHIP itself is late.
class serving_lease {
public:
  /// With `owned`, what was lost is not served any more, also where a new lease holds before
  /// PARTITION HOST has heard of the loss.
  explicit serving_lease(std::shared_ptr<const fence> owned = nullptr) : owned_(std::move(owned)) {}

  void until(int64_t nanos) { until_.store(nanos, std::memory_order_release); }
  bool holds(int64_t now) const { return now < until_.load(std::memory_order_acquire); }
  bool holds() const { return holds(boot_nanos()); }

  /// Of a partition that was claimed under `epoch`.
  bool holds(uint32_t partition, uint64_t epoch) const {
    return holds() && (!owned_ || owned_->epoch_of(partition) == epoch);
  }

private:
  std::atomic<int64_t> until_{INT64_MIN};
  std::shared_ptr<const fence> owned_;
};

} // namespace sotto
