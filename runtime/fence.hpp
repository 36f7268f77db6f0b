#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>

namespace sotto {

/// Which partitions this node may serve and write, and under which epoch. May be used from any
/// thread.
class fence {
public:
  explicit fence(std::string incarnation) : incarnation_(std::move(incarnation)) {}

  const std::string& incarnation() const { return incarnation_; }

  void allow(uint32_t partition, uint64_t epoch) {
    std::lock_guard guard{mutex_};
    epochs_[partition] = epoch;
  }
  void forbid(uint32_t partition) {
    std::lock_guard guard{mutex_};
    epochs_.erase(partition);
  }
  void forbid_all() {
    std::lock_guard guard{mutex_};
    epochs_.clear();
  }
  std::optional<uint64_t> epoch_of(uint32_t partition) const {
    std::shared_lock guard{mutex_};
    auto it = epochs_.find(partition);
    return it == epochs_.end() ? std::nullopt : std::optional{it->second};
  }

private:
  const std::string incarnation_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<uint32_t, uint64_t> epochs_;
};

} // namespace sotto
