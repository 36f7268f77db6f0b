#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "messages/admission.hpp"
#include "messages/events.hpp"
#include "messages/partition.hpp"
#include "runtime/serving_lease.hpp"

namespace sotto {

/// Through whom every partition is reached from this node: the PARTITION itself where it lives
/// here, else ROUTE. A node alone has all of them. May be used from any thread.
class partition_table {
public:
  using entry = std::pair<listened_partition_actor, bool>;

  /// Everything is reached through `elsewhere` (nobody: nothing is), and so is what lives here
  /// whenever `lease`, if there is one, does not hold for it.
  void fill(uint32_t count, const listened_partition_actor& elsewhere,
            std::shared_ptr<const serving_lease> lease = nullptr) {
    std::unique_lock guard{mutex_};
    entries_.assign(count, {{elsewhere, false}, 0});
    asked_ = std::make_unique<std::atomic<uint64_t>[]>(count);
    elsewhere_ = elsewhere;
    lease_ = std::move(lease);
  }

  /// `epoch`: of the claim, for what lives here.
  void set(uint32_t number, listened_partition_actor home, bool here, uint64_t epoch = 0) {
    std::unique_lock guard{mutex_};
    if (number < entries_.size())
      entries_[number] = {{std::move(home), here}, epoch};
  }

  /// At the end of the node: actors that hold the table must not keep others alive.
  void clear() {
    std::unique_lock guard{mutex_};
    entries_.clear();
    elsewhere_ = listened_partition_actor{};
  }

  uint32_t size() const {
    std::shared_lock guard{mutex_};
    return static_cast<uint32_t>(entries_.size());
  }

  /// The partition's handle, and whether it lives here; no handle when the node has ended.
  entry at(uint32_t number) const {
    std::shared_lock guard{mutex_};
    if (number >= entries_.size())
      return {};
    asked_[number].fetch_add(1, std::memory_order_relaxed);
    auto& [x, epoch] = entries_[number];
    auto mine = !x.second || !lease_ || lease_->holds(number, epoch);
    return mine ? x : entry{elsewhere_, false};
  }

  entry find(const owner_key& owner) const {
    auto count = size();
    return count == 0 ? entry{} : at(partition_of(owner, count));
  }

  listened_partition_actor home_of(const owner_key& owner) const { return find(owner).first; }

  /// How often each partition that lives here was asked for since the last call, by number; others
  /// have 0. A measure of how the node's work is shared among them.
  std::vector<uint64_t> take_asked() {
    std::shared_lock guard{mutex_};
    std::vector<uint64_t> result(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) {
      auto n = asked_[i].exchange(0, std::memory_order_relaxed);
      result[i] = entries_[i].first.second ? n : 0;
    }
    return result;
  }

private:
  mutable std::shared_mutex mutex_;
  std::vector<std::pair<entry, uint64_t>> entries_;
  std::unique_ptr<std::atomic<uint64_t>[]> asked_;
  listened_partition_actor elsewhere_;
  std::shared_ptr<const serving_lease> lease_;
};

} // namespace sotto
