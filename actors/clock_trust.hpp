#pragma once

#include <algorithm>
#include <cstdint>

namespace sotto {

/// Whether the wall clock can be believed by whoever drops things for their age. One that is looked
/// at for the first time, or has jumped against the steady clock, is not, until it has kept pace
/// with that for a while: a machine that starts with a wrong clock has it set right in that time,
/// and a jump that was a mistake is taken back. After that it is taken at its word. Knows no clock.
class clock_trust {
public:
  /// Nanoseconds.
  explicit clock_trust(int64_t patience) : patience_(patience) {}

  /// `wall` in microseconds since 1970, `steady` in nanoseconds.
  bool look(int64_t wall, int64_t steady) {
    auto apart = wall - steady / 1'000;
    if (!seen_ || std::max(apart, apart_) - std::min(apart, apart_) > jump)
      since_ = steady;
    seen_ = true;
    apart_ = apart; // a clock that is corrected slowly does not jump
    return steady - since_ >= patience_;
  }

private:
  /// Microseconds.
  static constexpr int64_t jump = 60'000'000;

  int64_t patience_;
  int64_t apart_ = 0;
  int64_t since_ = 0;
  bool seen_ = false;
};

} // namespace sotto
