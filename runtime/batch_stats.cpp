#include "runtime/batch_stats.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include <prometheus/metric_family.h>

namespace sotto {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

template <size_t N>
size_t bucket(const std::array<double, N>& bounds, double x) {
  return static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), x) - bounds.begin());
}

ClientMetric labelled(std::initializer_list<ClientMetric::Label> labels) {
  ClientMetric result;
  result.label = labels;
  return result;
}

/// Families by name, made as they are met.
class families {
public:
  explicit families(std::vector<MetricFamily>& to) : to_(to) {}

  void add(MetricType type, const char* name, const char* help, double value,
           std::initializer_list<ClientMetric::Label> labels) {
    auto x = labelled(labels);
    (type == MetricType::Counter ? x.counter.value : x.gauge.value) = value;
    family(type, name, help).metric.push_back(std::move(x));
  }

  template <size_t N, class Counts>
  void histogram(const char* name, const char* help, const std::array<double, N>& bounds,
                 const Counts& counts, double sum, const std::string& operation) {
    auto x = labelled({{"operation", operation}});
    uint64_t below = 0;
    for (size_t i = 0; i < N; ++i)
      x.histogram.bucket.push_back({below += counts[i], bounds[i]});
    x.histogram.bucket.push_back({below += counts[N], std::numeric_limits<double>::infinity()});
    x.histogram.sample_count = below;
    x.histogram.sample_sum = sum;
    family(MetricType::Histogram, name, help).metric.push_back(std::move(x));
  }

private:
  MetricFamily& family(MetricType type, const char* name, const char* help) {
    auto at = std::find_if(to_.begin(), to_.end(), [&](auto& x) { return x.name == name; });
    if (at != to_.end())
      return *at;
    MetricFamily x;
    x.name = name;
    x.help = help;
    x.type = type;
    return to_.emplace_back(std::move(x));
  }

  std::vector<MetricFamily>& to_;
};

} // namespace

void batch_stats::served(size_t items, int64_t nanos, work_lane lane) {
  add(sizes_[bucket(size_buckets, static_cast<double>(items))], 1);
  add(times_[bucket(time_buckets, static_cast<double>(nanos) * 1e-9)], 1);
  add(batches_, 1);
  add(items_, items);
  add(nanos_, static_cast<uint64_t>(std::max<int64_t>(nanos, 0)));
  add(by_lane_[static_cast<size_t>(lane)], 1);
}

void batch_stats::queued(const batch_counts& counts, size_t waiting) {
  auto copy = [](cells<priority_levels>& to, const batch_counts::by_level& from) {
    for (size_t i = 0; i < priority_levels; ++i)
      to[i].store(from[i], std::memory_order_relaxed);
  };
  copy(submitted_, counts.submitted);
  copy(coalesced_, counts.coalesced);
  copy(refused_, counts.refused);
  copy(late_, counts.late);
  copy(cancelled_, counts.cancelled);
  copy(waited_, counts.waited);
  splits_.store(counts.splits, std::memory_order_relaxed);
  waiting_.store(waiting, std::memory_order_relaxed);
}

void batch_stats::array(priority level, size_t items, size_t slices) {
  add(array_items_[static_cast<size_t>(level)], items);
  add(array_slices_, slices);
}

void batch_stats::routed(work_lane lane, double waiting_share) {
  lane_.store(static_cast<uint64_t>(lane), std::memory_order_relaxed);
  waiting_share_.store(waiting_share, std::memory_order_relaxed);
}

std::shared_ptr<batch_stats> batch_metrics::add(const std::string& operation) {
  std::lock_guard guard{mutex_};
  return all_.emplace_back(std::make_shared<batch_stats>(operation));
}

namespace {

/// The sums of all batchers of one operation.
struct totals {
  std::array<uint64_t, size_buckets.size() + 1> sizes{};
  std::array<uint64_t, time_buckets.size() + 1> times{};
  uint64_t batches = 0, items = 0, nanos = 0, splits = 0, waiting = 0, slices = 0;
  batch_counts::by_level submitted{}, coalesced{}, refused{}, late{}, cancelled{}, waited{},
      array_items{};
  std::array<uint64_t, work_lanes> by_lane{};
  double waiting_share = 0;
};

template <class To, class From>
void sum(To& to, const From& from) {
  for (size_t i = 0; i < to.size(); ++i)
    to[i] += from[i].load(std::memory_order_relaxed);
}

void describe_levels(families& to, const std::string& operation, const totals& x) {
  constexpr auto counter = MetricType::Counter;
  for (size_t i = 0; i < priority_levels; ++i) {
    std::string level{to_string(static_cast<priority>(i))};
    auto add = [&](const char* name, const char* help, double value) {
      to.add(counter, name, help, value, {{"operation", operation}, {"level", level}});
    };
    add("sotto_batch_submitted_total", "Items asked for, one by one",
        static_cast<double>(x.submitted[i]));
    add("sotto_batch_array_items_total", "Items asked for in arrays",
        static_cast<double>(x.array_items[i]));
    add("sotto_batch_coalesced_total", "Items that joined an equal one",
        static_cast<double>(x.coalesced[i]));
    add("sotto_batch_refused_total", "Items there was no room for",
        static_cast<double>(x.refused[i]));
    add("sotto_batch_late_total", "Items whose deadline passed while they waited",
        static_cast<double>(x.late[i]));
    add("sotto_batch_cancelled_total", "Items that nobody wants any more",
        static_cast<double>(x.cancelled[i]));
    add("sotto_batch_wait_seconds_total", "Time items waited for their batch",
        static_cast<double>(x.waited[i]) * 1e-9);
  }
}

void describe(families& to, const std::string& operation, const totals& x) {
  to.histogram("sotto_batch_items", "Items in a batch", size_buckets, x.sizes,
               static_cast<double>(x.items), operation);
  to.histogram("sotto_batch_seconds", "Time to run a batch", time_buckets, x.times,
               static_cast<double>(x.nanos) * 1e-9, operation);
  auto asked = x.items;
  for (auto n : x.coalesced)
    asked += n;
  to.add(MetricType::Counter, "sotto_batch_saved_calls_total",
         "Calls less than if every item had been run by itself",
         static_cast<double>(asked - std::min(asked, x.batches)), {{"operation", operation}});
  to.add(MetricType::Counter, "sotto_batch_splits_total", "Failed batches that were run in halves",
         static_cast<double>(x.splits), {{"operation", operation}});
  to.add(MetricType::Gauge, "sotto_batch_waiting", "Items that wait",
         static_cast<double>(x.waiting), {{"operation", operation}});
  to.add(MetricType::Gauge, "sotto_work_waiting_share",
         "Share of a batch's time that it waits for something else than a core", x.waiting_share,
         {{"operation", operation}});
  for (size_t i = 0; i < work_lanes; ++i)
    to.add(MetricType::Counter, "sotto_work_batches_total", "Batches by the lane they ran in",
           static_cast<double>(x.by_lane[i]),
           {{"operation", operation}, {"lane", std::string{to_string(static_cast<work_lane>(i))}}});
  describe_levels(to, operation, x);
}

} // namespace

std::vector<MetricFamily> batch_metrics::Collect() const {
  std::map<std::string, totals> by_operation;
  {
    std::lock_guard guard{mutex_};
    for (auto& one : all_) {
      auto& x = by_operation[one->operation()];
      sum(x.sizes, one->sizes_);
      sum(x.times, one->times_);
      x.batches += one->batches_.load(std::memory_order_relaxed);
      x.items += one->items_.load(std::memory_order_relaxed);
      x.nanos += one->nanos_.load(std::memory_order_relaxed);
      x.splits += one->splits_.load(std::memory_order_relaxed);
      x.waiting += one->waiting_.load(std::memory_order_relaxed);
      x.slices += one->array_slices_.load(std::memory_order_relaxed);
      sum(x.submitted, one->submitted_);
      sum(x.coalesced, one->coalesced_);
      sum(x.refused, one->refused_);
      sum(x.late, one->late_);
      sum(x.cancelled, one->cancelled_);
      sum(x.waited, one->waited_);
      sum(x.array_items, one->array_items_);
      sum(x.by_lane, one->by_lane_);
      x.waiting_share =
          std::max(x.waiting_share, one->waiting_share_.load(std::memory_order_relaxed));
    }
  }
  std::vector<MetricFamily> result;
  families to{result};
  for (auto& [operation, x] : by_operation)
    describe(to, operation, x);
  return result;
}

} // namespace sotto
