#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "runtime/level_queue.hpp"

namespace sotto {

/// The calls of one socket: which are worked on, which wait for it, and which came without credit.
/// Knows no actor and no socket.
///
/// A frontend has credit for `limits.calls` calls. A call costs one, which comes back when it has
/// been answered: at once, or, to a frontend that counts (`tell_credit`), in grants that are worth
/// a frame. `limits.running` calls are worked on at the same time; the others wait by priority,
/// weighted and first come first served. So however many calls a socket sends, what it puts before
/// others is bounded.
template <class Call>
class call_window {
public:
  struct limits {
    size_t running;
    size_t calls;
  };

  enum class verdict : uint8_t { taken, refused, abused };

  explicit call_window(limits x) : limits_(x), credit_(x.calls), waiting_(x.calls) {}

  /// Takes a call in, or says that there is no credit for it; `abused` once this has happened
  /// `patience` times in a row.
  verdict arrive(priority level, Call x) {
    if (credit_ == 0)
      return ++refused_ < patience ? verdict::refused : verdict::abused;
    refused_ = 0;
    --credit_;
    waiting_.push(level, std::move(x));
    return verdict::taken;
  }

  /// The next call to be worked on, if one may be.
  std::optional<Call> next() {
    if (running_ >= limits_.running)
      return std::nullopt;
    auto x = waiting_.pop();
    if (x)
      ++running_;
    return x;
  }

  /// A call that was worked on has been answered.
  void ended() {
    --running_;
    give_back();
  }

  /// Takes out a waiting call that `matches` holds for: it will not be worked on.
  template <class F>
  std::optional<Call> withdraw(F matches) {
    auto x = waiting_.take_if(matches);
    if (x)
      give_back();
    return x;
  }

  /// From now on credit comes back in grants.
  void tell_credit() { told_ = true; }

  /// How much credit to tell the frontend of now; 0: nothing yet. Never so little that a frontend
  /// without credit waits for more while nothing of its own is under way.
  size_t grant() {
    if (returned_ == 0 || (returned_ * 4 < limits_.calls && under_way() > 0))
      return 0;
    credit_ += returned_;
    return std::exchange(returned_, 0);
  }

  size_t credit() const { return credit_; }
  size_t running() const { return running_; }
  size_t waiting() const { return waiting_.size(); }
  /// Calls without an answer.
  size_t under_way() const { return running_ + waiting_.size(); }

  static constexpr size_t patience = 1000;

private:
  void give_back() { ++(told_ ? returned_ : credit_); }

  limits limits_;
  size_t credit_;
  size_t returned_ = 0;
  size_t running_ = 0;
  size_t refused_ = 0;
  bool told_ = false;
  level_queue<Call> waiting_;
};

} // namespace sotto
