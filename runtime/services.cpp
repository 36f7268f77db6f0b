#include "runtime/services.hpp"

#include "messages/registration.hpp"

namespace sotto {

node_services::node_services(uint64_t seed, size_t recorder_capacity)
    : seed(seed), flows(recorder_capacity) {}

uint64_t node_services::next_id() {
  // SplitMix64's output function is a bijection of its counter: distinct by construction.
  auto n = next_.fetch_add(1, std::memory_order_relaxed);
  return splitmix{seed + n * 0x9e3779b97f4a7c15ULL}();
}

context node_services::new_flow(int64_t now, int64_t budget, priority level) {
  context ctx;
  ctx.trace_hi = next_id();
  ctx.trace_lo = next_id();
  ctx.span = ctx.trace_lo;
  ctx.level = level;
  ctx.deadline = budget > 0 ? now + budget : 0;
  return ctx;
}

node_config::node_config(std::shared_ptr<node_services> services) : services_(std::move(services)) {
  register_messages(*this);
  // Work stealing walks the ready list under two locks at every steal; with a million ready
  // actors it did not end. Bounded throughput keeps one busy actor from delaying the others.
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-throughput", 50);
  set("logger.verbosity", caf::atom("quiet"));
}

node_services& services_of(const caf::actor_system& system) {
  return dynamic_cast<const node_config&>(system.config()).services();
}

} // namespace sotto
