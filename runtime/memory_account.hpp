#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

namespace sotto {

/// Why a session left memory.
enum class leaving : uint8_t { idle, count, memory };

inline constexpr std::array<const char*, 3> leaving_names{"idle", "max_live", "max_memory"};

/// What the conversations of a node hold in memory, and how much they may: partitions and shards
/// write what they hold, and let go of their part of what is too much. All members may be used from
/// any thread.
struct memory_account {
  static constexpr auto no_limit = std::numeric_limits<uint64_t>::max();

  memory_account() = default;
  memory_account(uint64_t most_sessions, uint64_t most_bytes, uint64_t most_kept)
      : max_live(most_sessions), max_bytes(most_bytes), max_kept(most_kept) {}

  uint64_t bytes() const { return held(session_bytes) + held(owner_bytes) + held(kept_bytes); }

  /// From here on sessions are passivated before they are idle: a part of the limits is kept free,
  /// so that a partition without sessions of its own finds room too.
  bool crowded() const { return excess() > 0; }

  /// Nothing more may be started.
  bool full() const { return held(live) >= max_live || bytes() >= max_bytes; }

  /// Which share of what it holds each has to let go; 0: nothing.
  double excess() const { return std::max(excess_live(), excess_bytes()); }
  double excess_live() const { return over(held(live), max_live); }
  double excess_bytes() const { return over(bytes(), max_bytes); }

  const uint64_t max_live = no_limit;
  const uint64_t max_bytes = no_limit;
  /// Of `kept_bytes` alone.
  const uint64_t max_kept = 64 << 20;

  /// Signed, so that what is counted twice or late never wraps.
  std::atomic<int64_t> live{0}, session_bytes{0}, owner_bytes{0};
  /// Ends of conversations whose sessions have left.
  std::atomic<int64_t> kept_bytes{0};

  std::atomic<uint64_t> started{0}, refused{0}, owners_evicted{0}, kept_hits{0}, kept_misses{0};
  std::array<std::atomic<uint64_t>, leaving_names.size()> passivated{};

private:
  static uint64_t held(const std::atomic<int64_t>& x) {
    return static_cast<uint64_t>(std::max<int64_t>(x.load(std::memory_order_relaxed), 0));
  }

  static double over(uint64_t x, uint64_t most) {
    auto mark = most - most / 8;
    return x <= mark ? 0 : static_cast<double>(x - mark) / static_cast<double>(x);
  }
};

} // namespace sotto
