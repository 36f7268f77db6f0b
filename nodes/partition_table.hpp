#pragma once

#include <mutex>
#include <shared_mutex>
#include <vector>

#include "messages/admission.hpp"
#include "messages/events.hpp"
#include "messages/partition.hpp"

namespace sotto {

/// Through whom every partition is reached from this node: the PARTITION itself where it lives
/// here, else ROUTE. A node alone has all of them. May be used from any thread.
class partition_table {
public:
  /// Everything is reached through `home`; a number that is never changed afterwards.
  void fill(uint32_t count, const listened_partition_actor& home) {
    std::unique_lock guard{mutex_};
    entries_.assign(count, {home, false});
  }

  void set(uint32_t number, listened_partition_actor home, bool here) {
    std::unique_lock guard{mutex_};
    entries_[number] = {std::move(home), here};
  }

  /// At the end of the node: actors that hold the table must not keep others alive.
  void clear() {
    std::unique_lock guard{mutex_};
    entries_.clear();
  }

  uint32_t size() const {
    std::shared_lock guard{mutex_};
    return static_cast<uint32_t>(entries_.size());
  }

  /// The partition's handle, and whether it lives here; no handle when the node has ended.
  std::pair<listened_partition_actor, bool> at(uint32_t number) const {
    std::shared_lock guard{mutex_};
    return number < entries_.size() ? entries_[number] : entry{};
  }

  std::pair<listened_partition_actor, bool> find(const owner_key& owner) const {
    std::shared_lock guard{mutex_};
    if (entries_.empty())
      return {};
    return entries_[partition_of(owner, static_cast<uint32_t>(entries_.size()))];
  }

  listened_partition_actor home_of(const owner_key& owner) const { return find(owner).first; }

private:
  using entry = std::pair<listened_partition_actor, bool>;

  mutable std::shared_mutex mutex_;
  std::vector<entry> entries_;
};

} // namespace sotto
