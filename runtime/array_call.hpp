#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <caf/actor_control_block.hpp>

#include "messages/context.hpp"
#include "messages/error.hpp"

namespace sotto {

/// A call with many items on its way through a batcher. Results come in any order.
template <class In, class Out>
class array_call {
public:
  using outcome = std::variant<std::vector<Out>, failure>;

  array_call(context ctx, caf::strong_actor_ptr asker, std::vector<In> items,
             std::function<void(outcome)> answer)
      : ctx_(std::move(ctx)), asker_(std::move(asker)), items_(std::move(items)),
        results_(items_.size()), left_(items_.size()), answer_(std::move(answer)) {}

  const context& ctx() const { return ctx_; }
  const caf::strong_actor_ptr& asker() const { return asker_; }
  size_t size() const { return items_.size(); }
  const In& operator[](size_t place) const { return items_[place]; }

  /// The first item that was not taken yet; all before it are being run.
  size_t next() const { return next_; }
  void take(size_t to) { next_ = to; }

  void put(size_t place, std::variant<Out, failure> what) {
    if (auto* good = std::get_if<Out>(&what))
      results_[place] = std::move(*good);
    else
      fail(std::get<failure>(std::move(what)), place);
    --left_;
  }

  /// The items that were not taken never are.
  void give_up(failure why) {
    why_ = std::move(why);
    left_ -= size() - std::exchange(next_, size());
  }

  /// Answers when all is there: all results, or one failure for the whole. True once.
  bool end() {
    if (left_ > 0 || !answer_)
      return false;
    auto answer = std::exchange(answer_, nullptr);
    if (why_)
      answer(std::move(why_));
    else
      answer(std::move(results_));
    return true;
  }

  /// Answers now, whatever is missing.
  void drop(const failure& why) {
    if (auto answer = std::exchange(answer_, nullptr))
      answer(why);
  }

private:
  void fail(failure why, size_t place) {
    if (why_)
      return;
    why_ = std::move(why);
    if (why_.param.empty())
      why_.param = "input[" + std::to_string(place) + "]";
  }

  context ctx_;
  caf::strong_actor_ptr asker_;
  std::vector<In> items_;
  std::vector<Out> results_;
  size_t next_ = 0;
  size_t left_ = 0;
  failure why_;
  std::function<void(outcome)> answer_;
};

} // namespace sotto
