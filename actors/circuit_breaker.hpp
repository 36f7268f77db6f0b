#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sotto {

/// A circuit breaker (Nygard, "Release It!", 2007): after some failures in a row nothing is let
/// through for a while; then one trial decides. Times are nanoseconds of the actor clock.
class circuit_breaker {
public:
  enum class state : uint8_t { closed, half_open, open };

  circuit_breaker(uint32_t failures, int64_t pause, int64_t longest_pause)
      : limit_(failures), first_pause_(pause), longest_pause_(longest_pause), pause_(pause) {}

  /// Whether a call may be made now. In half-open state only one is, until it has ended.
  bool allows(int64_t now) {
    if (state_ == state::open && now >= until_) {
      state_ = state::half_open;
      trial_ = false;
    }
    if (state_ == state::half_open)
      return !std::exchange(trial_, true);
    return state_ == state::closed;
  }

  void success() {
    state_ = state::closed;
    failures_ = 0;
    pause_ = first_pause_;
  }

  /// A call ended without saying anything of the other side (it was cancelled).
  void nothing() { trial_ = false; }

  /// A failure; `at_least` is how long the other side asked to be left alone (0: it did not), which
  /// opens at once.
  void failure(int64_t now, int64_t at_least = 0) {
    ++failures_;
    if (state_ == state::closed && failures_ < limit_ && at_least == 0)
      return;
    if (state_ == state::half_open)
      pause_ = std::min(pause_ * 2, longest_pause_);
    state_ = state::open;
    until_ = std::max(until_, now + std::max(pause_, std::min(at_least, longest_pause_)));
  }

  state current() const { return state_; }

  /// When an open breaker lets the next call through.
  int64_t until() const { return until_; }

private:
  uint32_t limit_;
  int64_t first_pause_;
  int64_t longest_pause_;
  int64_t pause_;
  state state_ = state::closed;
  bool trial_ = false;
  uint32_t failures_ = 0;
  int64_t until_ = 0;
};

} // namespace sotto
