// How ADMISSION watches the node: its timer, the load, and what it publishes.
#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/admission.hpp"

namespace sotto {

namespace {

constexpr int64_t nanos_per_second = 1'000'000'000;
/// How often shares are counted anew.
constexpr int64_t shares_every = nanos_per_second;

} // namespace

void admission_state::publish() {
  size_t ahead = 0;
  for (size_t i = 0; i < priority_levels; ++i) {
    ahead += queue_->queued(static_cast<priority>(i));
    parts_.load->ahead[i].store(static_cast<uint32_t>(ahead), std::memory_order_relaxed);
  }
  // Background work may wait as long as it likes: that is what it is for.
  fewest_ = std::min(fewest_, ahead - queue_->queued(priority::background));
}

void admission_state::tick() {
  auto now = self_->nanos();
  if (now >= armed_)
    armed_ = 0;
  expire(now);
  if (now - looked_ >= overload_policy::interval)
    look(now);
  serve(now);
  end_if_drained();
}

void admission_state::expire(int64_t now) {
  for (auto& x : queue_->late(now))
    refuse(std::move(x), {ec::timeout, "the deadline passed while the turn waited", {}}, way::late);
}

void admission_state::look(int64_t now) {
  // At once: where it fails, it is tried again an interval later, not before.
  auto last = std::exchange(looked_, now);
  auto spent = std::max<int64_t>(now - last, 1);
  auto figures = parts_.figures();
  auto cpu = static_cast<double>(figures.cpu - std::exchange(cpu_, figures.cpu))
             / static_cast<double>(spent) / parts_.cores;
  auto early = parts_.load->refused_early.load(std::memory_order_relaxed);
  load_sample x;
  x.now = now;
  x.standing = fewest_;
  x.served = std::exchange(served_, 0);
  x.refused = std::exchange(refused_, 0) + early - std::exchange(refused_early_, early);
  x.cpu = last == 0 ? 0 : cpu;
  x.memory = figures.resident;
  auto queued = queue_->queued();
  fewest_ = queued - queue_->queued(priority::background);
  auto before = policy_->step();
  auto step = policy_->look(x);
  auto& load = *parts_.load;
  load.step.store(step, std::memory_order_relaxed);
  load.retry_after.store(policy_->retry_after(queued), std::memory_order_relaxed);
  for (size_t i = 0; i < priority_levels; ++i)
    load.room[i].store(policy_->room(static_cast<priority>(i)), std::memory_order_relaxed);
  if (step != before)
    tell_step(before, x.cpu, x.memory);
  auto& metrics = *parts_.metrics;
  metrics.overload(step, policy_->wait() / nanos_per_second, x.cpu, policy_->rate());
  metrics.depth(queue_->holding(), queue_->running() - queue_->holding());
  for (size_t i = 0; i < priority_levels; ++i)
    metrics.waiting(static_cast<priority>(i), queue_->queued(static_cast<priority>(i)));
  look_at_shares(now);
}

void admission_state::look_at_shares(int64_t now) {
  if (now - shares_looked_ < shares_every)
    return;
  shares_looked_ = now;
  for (auto number : queue_->lost(now)) {
    parts_.metrics->lost();
    queue_->ended(number, now);
  }
  size_t all = 0;
  for (auto x : served_by_level_)
    all += x;
  for (size_t i = 0; i < priority_levels; ++i)
    parts_.metrics->share(
        static_cast<priority>(i),
        all == 0 ? 0 : static_cast<double>(served_by_level_[i]) / static_cast<double>(all));
  served_by_level_ = {};
  look_at_tenants();
}

// Jain, Chiu and Hawe 1984: (sum x)^2 / (n sum x^2).
void admission_state::look_at_tenants() {
  double sum = 0, squares = 0, largest = 0;
  for (auto& [tenant, count] : served_by_tenant_) {
    auto x = static_cast<double>(count);
    sum += x;
    squares += x * x;
    largest = std::max(largest, x);
  }
  auto n = served_by_tenant_.size();
  parts_.metrics->tenants(n, n == 0 ? 1 : sum * sum / (static_cast<double>(n) * squares),
                          n == 0 ? 0 : largest / sum);
  served_by_tenant_.clear();
}

void admission_state::tell_step(overload_step before, double cpu, uint64_t memory) const {
  auto step = policy_->step();
  auto text = fmt::format("admission: step {} after {} (turns wait {:.0f} ms, processor {:.0f} %, "
                          "memory {} MB)",
                          to_string(step), to_string(before), policy_->wait() / 1e6, cpu * 100,
                          memory >> 20);
  if (step > before)
    spdlog::warn(text);
  else
    spdlog::info(text);
}

// An idle node sets no timer.
bool admission_state::active(int64_t now) const {
  return !queue_->idle() || policy_->step() != overload_step::normal
         || now - last_turn_ < 2 * shares_every;
}

void admission_state::arm(int64_t now) {
  if (!active(now))
    return;
  auto due = std::max(looked_ + overload_policy::interval, now);
  if (auto deadline = queue_->next_deadline(); deadline != 0)
    due = std::min(due, deadline + 1);
  if (armed_ != 0 && armed_ <= due)
    return;
  self_->delayed_send<caf::message_priority::high>(
      self_, caf::timespan{std::max<int64_t>(due - now, 0)}, context{}, atom::tick_v);
  armed_ = due;
}

} // namespace sotto
