#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "runtime/batch_queue.hpp"
#include "runtime/work_routing.hpp"

namespace sotto {

/// Upper bounds of the buckets of a batch's size, and of its time (seconds).
inline constexpr std::array<double, 8> size_buckets{1, 2, 5, 10, 20, 50, 100, 250};
inline constexpr std::array<double, 10> time_buckets{0.00001, 0.0001, 0.0005, 0.001, 0.005,
                                                     0.01,    0.05,   0.1,    0.5,   1};

/// What one batcher counts. Its actor alone writes, once a batch; any thread reads: plain loads and
/// stores, no locked instruction.
class batch_stats {
public:
  explicit batch_stats(std::string operation) : operation_(std::move(operation)) {}

  const std::string& operation() const { return operation_; }

  /// A batch of `items` took `nanos`, in `lane`.
  void served(size_t items, int64_t nanos, work_lane lane);
  /// The queue's counts so far, and what waits.
  void queued(const batch_counts& counts, size_t waiting);
  /// How many requests of a level there were so far, where nothing else of `queued` changed.
  void passed(priority level, uint64_t submitted) {
    submitted_[static_cast<size_t>(level)].store(submitted, std::memory_order_relaxed);
  }
  /// Texts of arrays, which pass the queue.
  void array(priority level, size_t items, size_t slices);
  void routed(work_lane lane, double waiting_share);

private:
  friend class batch_metrics;

  using cell = std::atomic<uint64_t>;
  template <size_t N>
  using cells = std::array<cell, N>;

  static void add(cell& to, uint64_t n) {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::string operation_;
  cells<size_buckets.size() + 1> sizes_{};
  cells<time_buckets.size() + 1> times_{};
  cell batches_{0}, items_{0}, nanos_{0}, splits_{0}, waiting_{0};
  cells<priority_levels> submitted_{}, coalesced_{}, refused_{}, late_{}, cancelled_{}, waited_{};
  cells<priority_levels> array_items_{};
  cell array_slices_{0};
  cells<work_lanes> by_lane_{};
  cell lane_{0};
  std::atomic<double> waiting_share_{0};
};

/// All batchers of a node, as metric families with one line an operation.
class batch_metrics : public prometheus::Collectable {
public:
  std::shared_ptr<batch_stats> add(const std::string& operation);

  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<batch_stats>> all_;
};

} // namespace sotto
