#pragma once

#include <memory>

#include "runtime/level_queue.hpp"

namespace sotto {

/// A `level_queue` for what is empty nearly always and exists a million times: the only item lies
/// within, and there is a queue only while two or more wait. What it holds of `T` when it is empty
/// is one `T{}`.
template <class T>
class sparse_queue {
public:
  bool empty() const { return size() == 0; }
  size_t size() const { return rest_ ? rest_->size() : lone_ ? 1 : 0; }

  /// As `level_queue`'s; `bound` is always the same, and at least 1.
  std::optional<T> push(priority level, T x, size_t bound) {
    if (empty()) {
      level_ = level;
      one_ = std::move(x);
      lone_ = true;
      return std::nullopt;
    }
    if (std::exchange(lone_, false)) {
      rest_ = std::make_unique<level_queue<T>>(bound);
      rest_->push(level_, std::exchange(one_, T{}));
    }
    return rest_->push(level, std::move(x));
  }

  std::optional<T> pop() {
    if (!rest_) {
      if (!std::exchange(lone_, false))
        return std::nullopt;
      return std::exchange(one_, T{});
    }
    auto result = rest_->pop();
    if (rest_->empty())
      rest_.reset();
    return result;
  }

  /// Takes out the first item that `matches` holds for. Linear.
  template <class F>
  std::optional<T> take_if(F matches) {
    if (!rest_)
      return lone_ && matches(one_) ? pop() : std::nullopt;
    auto result = rest_->take_if(matches);
    if (rest_->empty())
      rest_.reset();
    return result;
  }

private:
  T one_{};
  std::unique_ptr<level_queue<T>> rest_;
  priority level_ = priority::normal;
  bool lone_ = false;
};

} // namespace sotto
