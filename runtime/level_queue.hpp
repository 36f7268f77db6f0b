#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "messages/context.hpp"

namespace sotto {

/// A growing circular buffer; gives its memory back when it runs empty.
template <class T>
class ring {
public:
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

  void push_back(T x) {
    if (count_ == slots_.size())
      grow();
    slots_[(head_ + count_) & (slots_.size() - 1)] = std::move(x);
    ++count_;
  }

  T pop_front() {
    assert(count_ > 0);
    T result = std::move(slots_[head_]);
    head_ = (head_ + 1) & (slots_.size() - 1);
    --count_;
    release();
    return result;
  }

  T pop_back() {
    assert(count_ > 0);
    --count_;
    T result = std::move(slots_[(head_ + count_) & (slots_.size() - 1)]);
    release();
    return result;
  }

  /// Takes out the first item that `matches` holds for; the others keep their order.
  template <class F>
  std::optional<T> take_if(F matches) {
    std::optional<T> result;
    for (auto left = count_; left > 0; --left) {
      auto x = pop_front();
      if (!result && matches(x))
        result = std::move(x);
      else
        push_back(std::move(x));
    }
    return result;
  }

  /// The first item that `matches` holds for, or nothing; valid until the next change.
  template <class F>
  T* find_if(F matches) {
    for (size_t i = 0; i < count_; ++i)
      if (auto& x = slots_[(head_ + i) & (slots_.size() - 1)]; matches(x))
        return &x;
    return nullptr;
  }

private:
  static constexpr size_t kept = 64;

  void grow() {
    std::vector<T> wider(slots_.empty() ? 4 : slots_.size() * 2);
    for (size_t i = 0; i < count_; ++i)
      wider[i] = std::move(slots_[(head_ + i) & (slots_.size() - 1)]);
    slots_ = std::move(wider);
    head_ = 0;
  }

  void release() {
    if (count_ == 0 && slots_.size() > kept) {
      slots_ = std::vector<T>();
      head_ = 0;
    }
  }

  std::vector<T> slots_; // size is 0 or a power of two
  size_t head_ = 0;
  size_t count_ = 0;
};

/// A bounded queue of five levels. Between levels service is weighted, so that the important goes
/// first and nothing starves: in every round each level may be served as often as its weight, the
/// most important first. Within a level, first in first out. All operations take constant time.
template <class T>
class level_queue {
public:
  /// Services a round, by level. A background item waits for at most 62 others that arrive later.
  static constexpr std::array<uint8_t, priority_levels> weights{32, 16, 8, 4, 2};

  explicit level_queue(size_t bound) : bound_(bound) {}

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t size(priority level) const { return levels_[index(level)].size(); }

  /// Adds an item. When full, the newest item of the lowest level gives way: returns it, which
  /// may be `x` itself.
  std::optional<T> push(priority level, T x) {
    if (size_ < bound_) {
      levels_[index(level)].push_back(std::move(x));
      ++size_;
      return std::nullopt;
    }
    for (size_t i = priority_levels; i-- > index(level) + 1;) {
      if (!levels_[i].empty()) {
        auto victim = levels_[i].pop_back();
        levels_[index(level)].push_back(std::move(x));
        return victim;
      }
    }
    return x;
  }

  /// Takes the next item; nothing when empty.
  std::optional<T> pop() {
    if (size_ == 0)
      return std::nullopt;
    for (;;) {
      for (size_t i = 0; i < priority_levels; ++i) {
        if (credit_[i] > 0 && !levels_[i].empty()) {
          --credit_[i];
          --size_;
          return levels_[i].pop_front();
        }
      }
      credit_ = weights;
    }
  }

  /// Takes out the first item, the most important level first, that `matches` holds for. Linear.
  template <class F>
  std::optional<T> take_if(F matches) {
    for (auto& level : levels_) {
      if (auto x = level.take_if(matches)) {
        --size_;
        return x;
      }
    }
    return std::nullopt;
  }

  /// The first item that `matches` holds for, or nothing; valid until the next change. Linear.
  template <class F>
  T* find_if(F matches) {
    for (auto& level : levels_)
      if (auto* x = level.find_if(matches))
        return x;
    return nullptr;
  }

private:
  static size_t index(priority level) { return static_cast<size_t>(level); }

  std::array<ring<T>, priority_levels> levels_;
  std::array<uint8_t, priority_levels> credit_ = weights;
  size_t size_ = 0;
  size_t bound_;
};

} // namespace sotto
