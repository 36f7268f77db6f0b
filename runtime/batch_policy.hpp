#pragma once

#include <cstddef>
#include <cstdint>

namespace sotto {

struct batch_limits {
  /// Most items of a batch.
  size_t max_items = 50;
  /// A batch of fewer is worth waiting for when the operation is close to its capacity.
  size_t min_items = 2;
  /// Longest wait for more items (nanoseconds).
  int64_t max_window = 2'000'000;
  /// Where a batch of one takes no longer (nanoseconds), items are run one by one as they come: a
  /// message and a place in a queue cost as much. 0: they never are.
  int64_t light = 0;
};

/// How many items go into a batch, and how long to wait for them. Times are nanoseconds of the
/// actor clock.
///
/// A batch of n takes a + b n, both measured (least squares over served batches, older ones
/// forgotten exponentially). While one batch is served, L = lambda W more items arrive (Little, "A
/// Proof for the Queuing Formula L = lambda W", Operations Research 9(3), 1961); where the next
/// batch is exactly these, n = lambda (a + b n), so n = lambda a / (1 - lambda b). Serving fewer at
/// a time than that would let the queue grow. An operation that is idle has nothing to wait for,
/// so its window is zero; what waits while it is busy gathers by itself.
class batch_policy {
public:
  explicit batch_policy(batch_limits limits = {}) : limits_(limits) {}

  void arrived(int64_t now);
  void served(size_t items, int64_t took);

  /// Most items the next batch should have, between `min_items` and `max_items`.
  size_t size() const;

  /// How long to wait for more when `waiting` items wait and `running` batches are under way.
  int64_t window(size_t waiting, size_t running) const;

  /// Whether an item alone is known to take no longer than `light`.
  bool light() const {
    return limits_.light > 0 && w_ >= enough
           && fixed_cost() + item_cost() <= static_cast<double>(limits_.light);
  }

  /// Items a nanosecond.
  double rate() const { return between_ > 0 ? 1 / between_ : 0; }
  /// What a batch costs by itself, and what an item adds (nanoseconds).
  double fixed_cost() const;
  double item_cost() const;

private:
  /// Weight of the batches that must have been seen before an operation is called light.
  static constexpr double enough = 4;

  double slope() const;

  batch_limits limits_;
  int64_t last_arrival_ = 0;
  double between_ = 0;
  /// Weighted sums over served batches: weight, n, n^2, t, n t.
  double w_ = 0, n_ = 0, nn_ = 0, t_ = 0, nt_ = 0;
};

} // namespace sotto
