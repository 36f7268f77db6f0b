#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sotto {

/// What a bucket said to one request. Times in nanoseconds.
struct rate_verdict {
  bool allowed = true;
  /// Requests that fit into a full bucket, and that still do.
  uint32_t limit = 0;
  uint32_t remaining = 0;
  /// Until the bucket is full again.
  int64_t reset = 0;
  /// Until the next request would be allowed; 0 where this one was.
  int64_t wait = 0;
};

/// A token bucket, kept as the one time at which it will be full again (the generic cell rate
/// algorithm of ITU-T I.371): so it takes one word, and any thread may ask without a lock. The
/// caller's clock is monotonic; if it jumps all the same, the bucket is wrong for no longer than it
/// takes to fill.
class rate_bucket {
public:
  /// `per_second` over 0, `burst` at least 1.
  rate_bucket(double per_second, uint32_t burst)
      : interval_(std::max<int64_t>(1, static_cast<int64_t>(1e9 / per_second))), burst_(burst) {}

  rate_verdict take(int64_t now) {
    const auto span = interval_ * burst_;
    auto seen = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      auto full = std::clamp(seen, now, now + span);
      auto next = full + interval_;
      if (next - now > span) {
        // What a clock that was ahead left behind must not stay ahead.
        if (full < seen && !full_at_.compare_exchange_weak(seen, full, std::memory_order_relaxed))
          continue;
        return {false, burst_, 0, full - now, next - now - span};
      }
      if (full_at_.compare_exchange_weak(seen, next, std::memory_order_relaxed))
        return {true, burst_, static_cast<uint32_t>((span - (next - now)) / interval_), next - now,
                0};
    }
  }

private:
  const int64_t interval_;
  const uint32_t burst_;
  std::atomic<int64_t> full_at_{0};
};

} // namespace sotto
