#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "messages/context.hpp"

namespace sotto {

/// What is held for partitions that move: in order of `order` within a partition; of all partitions
/// together bounded by number and bytes.
template <class T>
class route_holds {
public:
  route_holds(size_t most, size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  size_t size() const { return by_level_.size(); }
  size_t bytes() const { return bytes_; }
  bool empty(uint32_t partition) const { return !held_.contains(partition); }

  /// Holds an item until `until`. What there is no room for is returned: the newest of the lowest
  /// level, which may be `x` itself.
  std::vector<T> add(uint32_t partition, uint64_t order, priority level, size_t bytes,
                     int64_t until, T x) {
    held_[partition].emplace(order, item{std::move(x), level, bytes, until});
    by_level_.emplace(level, order, partition);
    bytes_ += bytes;
    std::vector<T> refused;
    while (size() > most_ || (bytes_ > most_bytes_ && size() > 1)) {
      auto [lowest, newest, where] = *by_level_.rbegin();
      refused.push_back(*take(where, newest));
    }
    return refused;
  }

  /// Takes the first of a partition; nothing when there is none.
  std::optional<T> next(uint32_t partition) {
    auto at = held_.find(partition);
    if (at == held_.end())
      return std::nullopt;
    return take(partition, at->second.begin()->first);
  }

  /// Takes out those that were held for too long, in order within a partition.
  std::vector<T> expired(int64_t now) {
    return take_all([&](const item& x) { return now > x.until; });
  }

  /// Takes out those of a partition that `matches` holds for.
  template <class F>
  std::vector<T> take_if(uint32_t partition, F matches) {
    std::vector<uint64_t> found;
    if (auto at = held_.find(partition); at != held_.end())
      for (auto& [order, x] : at->second)
        if (matches(x.what))
          found.push_back(order);
    std::vector<T> result;
    for (auto order : found)
      result.push_back(*take(partition, order));
    return result;
  }

  /// Counts anew what is held: for after an exception, which may have left something half done.
  void recount() {
    std::erase_if(held_, [](auto& x) { return x.second.empty(); });
    by_level_.clear();
    bytes_ = 0;
    for (auto& [partition, items] : held_)
      for (auto& [order, x] : items) {
        by_level_.emplace(x.level, order, partition);
        bytes_ += x.bytes;
      }
  }

  std::vector<T> clear() {
    return take_all([](const item&) { return true; });
  }

private:
  struct item {
    T what;
    priority level;
    size_t bytes;
    int64_t until;
  };

  std::optional<T> take(uint32_t partition, uint64_t order) {
    auto at = held_.find(partition);
    auto found = at->second.extract(order);
    if (at->second.empty())
      held_.erase(at);
    auto& x = found.mapped();
    by_level_.erase({x.level, order, partition});
    bytes_ -= x.bytes;
    return std::move(x.what);
  }

  template <class F>
  std::vector<T> take_all(F matches) {
    std::vector<std::pair<uint32_t, uint64_t>> found;
    for (auto& [partition, items] : held_)
      for (auto& [order, x] : items)
        if (matches(x))
          found.emplace_back(partition, order);
    std::vector<T> result;
    for (auto [partition, order] : found)
      result.push_back(*take(partition, order));
    return result;
  }

  std::map<uint32_t, std::map<uint64_t, item>> held_;
  std::set<std::tuple<priority, uint64_t, uint32_t>> by_level_;
  size_t most_, most_bytes_;
  size_t bytes_ = 0;
};

} // namespace sotto
