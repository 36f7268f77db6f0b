#pragma once

#include <atomic>
#include <cstdint>

namespace sotto {

/// A mutex of four bytes, for what exists a million times and is held for a few instructions
/// (Drepper, "Futexes Are Tricky", 2011: mutex 2). Not recursive; use it with `std::lock_guard`.
class small_mutex {
public:
  small_mutex() = default;
  small_mutex(const small_mutex&) = delete;
  small_mutex& operator=(const small_mutex&) = delete;

  void lock() {
    auto expected = open;
    if (state_.compare_exchange_strong(expected, held, std::memory_order_acquire))
      return;
    // Whoever waited takes it as `awaited`: others may wait still.
    while (state_.exchange(awaited, std::memory_order_acquire) != open)
      state_.wait(awaited, std::memory_order_relaxed);
  }

  void unlock() {
    if (state_.exchange(open, std::memory_order_release) == awaited)
      state_.notify_one();
  }

private:
  static constexpr uint32_t open = 0, held = 1, awaited = 2;

  std::atomic<uint32_t> state_{open};
};

} // namespace sotto
