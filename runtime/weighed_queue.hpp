#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "runtime/level_queue.hpp"

namespace sotto {

/// A queue of five levels, bounded by the number of its items and by their weight together.
/// Between levels service is weighted as in `level_queue`; within one, first in first out.
template <class T>
class weighed_queue {
public:
  weighed_queue(size_t most, size_t most_weight) : most_(most), most_weight_(most_weight) {}

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t size(priority level) const { return levels_[index(level)].size(); }
  size_t weight() const { return weight_; }

  /// Adds an item. What does not fit is returned: the newest of the lowest levels, of its own level
  /// only `x` itself. An item heavier than all is taken where nothing else waits.
  std::vector<T> push(priority level, T x, size_t weight) {
    std::vector<T> refused;
    while (size_ > 0 && (size_ >= most_ || weight_ + weight > most_weight_)) {
      auto lowest = lowest_level();
      if (lowest <= index(level)) {
        refused.push_back(std::move(x));
        return refused;
      }
      refused.push_back(take(levels_[lowest], false));
    }
    levels_[index(level)].push_back({std::move(x), weight});
    ++size_;
    weight_ += weight;
    return refused;
  }

  /// The weight of the item that `pop` will take; nothing when empty.
  std::optional<size_t> next_weight() {
    if (size_ == 0)
      return std::nullopt;
    return levels_[next_level()].front().weight;
  }

  std::optional<T> pop() {
    if (size_ == 0)
      return std::nullopt;
    auto i = next_level();
    --credit_[i];
    return take(levels_[i], true);
  }

  /// Takes out all that `matches` holds for. Linear.
  template <class F>
  void remove_if(F matches) {
    for (auto& level : levels_)
      std::erase_if(level, [&](auto& x) {
        if (!matches(x.what))
          return false;
        --size_;
        weight_ -= x.weight;
        return true;
      });
  }

private:
  struct entry {
    T what;
    size_t weight;
  };

  static size_t index(priority level) { return static_cast<size_t>(level); }

  size_t lowest_level() const {
    auto i = priority_levels - 1;
    while (i > 0 && levels_[i].empty())
      --i;
    return i;
  }

  size_t next_level() {
    for (;;) {
      for (size_t i = 0; i < priority_levels; ++i)
        if (credit_[i] > 0 && !levels_[i].empty())
          return i;
      credit_ = level_queue<T>::weights;
    }
  }

  T take(std::deque<entry>& from, bool oldest) {
    auto& x = oldest ? from.front() : from.back();
    --size_;
    weight_ -= x.weight;
    T result = std::move(x.what);
    oldest ? from.pop_front() : from.pop_back();
    return result;
  }

  std::array<std::deque<entry>, priority_levels> levels_;
  std::array<uint8_t, priority_levels> credit_ = level_queue<T>::weights;
  size_t most_, most_weight_;
  size_t size_ = 0, weight_ = 0;
};

} // namespace sotto
