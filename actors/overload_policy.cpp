#include "actors/overload_policy.hpp"

#include <algorithm>
#include <cmath>

namespace sotto {

namespace {

constexpr double nanos_per_second = 1e9;
/// Weight of the newest sample in what is averaged.
constexpr double newest = 0.3;
/// Looks in a row after which the step rises or falls by one.
constexpr int busy_looks = 2, calm_looks = 10;
/// Share of the target below which the queue counts as short, and multiple above which it is far
/// too long.
constexpr double calm_share = 0.5, far_too_long = 4;
constexpr double full_cpu = 0.95;
/// Memory below this share of its limit counts as enough.
constexpr double calm_memory = 0.9;
/// Waits allowed to each level once turns are refused, in targets: the lowest is refused first.
constexpr std::array<double, priority_levels> allowed{8, 4, 2, 1, 0.5};
constexpr double longest_retry = 60;

} // namespace

void overload_policy::measure(const load_sample& x) {
  auto spent = last_ == 0 ? interval : std::max<int64_t>(x.now - last_, 1);
  last_ = x.now;
  auto seconds = static_cast<double>(spent) / nanos_per_second;
  auto rate = static_cast<double>(x.served) / seconds;
  // While nothing waits the rate is only what was asked for.
  if (x.standing > 0 && rate_ > 0)
    rate_ += newest * (rate - rate_);
  else
    rate_ = std::max(rate_, rate);
  refused_rate_ += newest * (static_cast<double>(x.refused) / seconds - refused_rate_);
  // Nothing served while something waits: at least this long.
  wait_ = x.standing == 0
              ? 0
              : nanos_per_second * static_cast<double>(x.standing) / std::max(rate_, 1.0);
}

overload_step overload_policy::look(const load_sample& x) {
  measure(x);
  auto memory = memory_limit_ > 0 ? static_cast<double>(x.memory) / memory_limit_ : 0;
  memory_full_ = memory >= 1;
  auto strained = x.cpu >= full_cpu && wait_ > calm_share * target_;
  if (memory_full_) {
    step_ = overload_step::refuse; // a cheaper turn takes no less memory
    calm_ = 0;
  } else if (wait_ > target_ || strained) {
    calm_ = 0;
    if (++busy_ >= busy_looks || wait_ > far_too_long * target_)
      rise();
  } else if (wait_ < calm_share * target_ && memory < calm_memory) {
    busy_ = 0;
    if (++calm_ >= calm_looks)
      fall();
  } else {
    busy_ = calm_ = 0;
  }
  return step_;
}

void overload_policy::rise() {
  busy_ = 0;
  if (step_ == overload_step::refuse)
    return;
  step_ = static_cast<overload_step>(static_cast<uint8_t>(step_) + 1);
  if (step_ == overload_step::builtin_responder && !allow_builtin_)
    step_ = overload_step::refuse;
}

void overload_policy::fall() {
  calm_ = 0;
  if (step_ == overload_step::normal)
    return;
  step_ = static_cast<overload_step>(static_cast<uint8_t>(step_) - 1);
  if (step_ == overload_step::builtin_responder && !allow_builtin_)
    step_ = overload_step::no_analysers;
}

uint32_t overload_policy::room(priority level) const {
  if (step_ != overload_step::refuse)
    return node_load::no_limit;
  if (memory_full_)
    return level == priority::critical ? node_load::no_limit : 0;
  auto waits = allowed[static_cast<size_t>(level)] * target_ / nanos_per_second;
  return static_cast<uint32_t>(std::clamp(rate_ * waits, 1.0, 1e9));
}

uint32_t overload_policy::retry_after(size_t ahead) const {
  auto seconds = (static_cast<double>(ahead) + refused_rate_) / std::max(rate_, 1.0);
  return static_cast<uint32_t>(std::clamp(std::ceil(seconds), 1.0, longest_retry));
}

} // namespace sotto
