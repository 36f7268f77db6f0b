#pragma once

#include <cstdint>

namespace sotto {

/// The holder's side of a lease (Gray and Cheriton, SOSP 1989). All times are nanoseconds of one
/// clock of this machine that does not stand still and is never set; the wall clock is not used.
///
/// A heartbeat sets the database's clock into our row at some moment after we sent it, so what we
/// count from the sending ends before what the others count by the database's clock: whatever
/// either clock shows, as long as both run at about the same rate (the margin covers the rest).
///
/// A lease that has ended is never prolonged, even where nobody has claimed anything yet: others
/// may be about to, and whoever reads rows cannot see what is not committed. It begins anew, and
/// everything must be claimed again.
class lease {
public:
  lease(int64_t length, int64_t margin) : length_(length), margin_(margin) {}

  /// A heartbeat that was sent at `sent` was answered at `now`. Tells whether the lease went on;
  /// false: a new one began, or (`may_serve` is false) the answer was too old for any.
  bool renewed(int64_t sent, int64_t now) {
    auto went_on = may_serve(now);
    if (went_on || sent + length_ - margin_ > now)
      end_ = sent + length_ > end_ || !went_on ? sent + length_ : end_;
    return went_on;
  }

  bool may_serve(int64_t now) const { return now < serves_until(); }

  /// Others may have claimed what we hold.
  bool over(int64_t now) const { return now >= end_; }

  /// The moment to stop at.
  int64_t serves_until() const { return end_ - margin_; }

  void drop() { end_ = INT64_MIN / 2; }

private:
  int64_t length_;
  int64_t margin_;
  int64_t end_ = INT64_MIN / 2;
};

} // namespace sotto
