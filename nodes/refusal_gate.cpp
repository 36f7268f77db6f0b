#include "nodes/refusal_gate.hpp"

#include "runtime/clock.hpp"
#include "runtime/refusals.hpp"

namespace sotto {

namespace {

constexpr int64_t window = 100'000'000;
/// Refusals held at most: who hung up is among them for as long as others.
constexpr size_t most_held = 16'384;

} // namespace

void refusal_gate::refuse(priority level, bool again, std::function<void()> answer,
                          std::function<void()> drop) {
  load_->refused_early.fetch_add(1, std::memory_order_relaxed);
  if (refused_)
    refused_(level);
  if (hold_ == 0 || (!again && may_answer_now()))
    return answer();
  if (held_.size() >= most_held)
    drop_oldest();
  held_.push_back({monotonic_nanos() + hold_, std::move(answer), std::move(drop)});
  if (held_.size() == 1)
    arm();
}

bool refusal_gate::drop_oldest() {
  if (held_.empty())
    return false;
  auto oldest = std::move(held_.front());
  held_.pop_front(); // the timer comes for the next one, too early perhaps, and is set again
  oldest.drop();
  return true;
}

bool refusal_gate::may_answer_now() {
  auto now = monotonic_nanos();
  if (now - window_ >= window) {
    window_ = now;
    told_ = 0;
  }
  return told_++ < refusals_told_at_once;
}

void refusal_gate::arm() {
  auto left = std::max<int64_t>(held_.front().due - monotonic_nanos(), 0);
  timer_.expires_after(std::chrono::nanoseconds{left});
  timer_.async_wait([self = weak_from_this()](boost::system::error_code ec) {
    if (auto gate = self.lock(); gate && !ec)
      gate->release();
  });
}

void refusal_gate::release() {
  auto now = monotonic_nanos();
  while (!held_.empty() && held_.front().due <= now) {
    auto answer = std::move(held_.front().answer);
    held_.pop_front();
    answer();
  }
  if (!held_.empty())
    arm();
}

} // namespace sotto
