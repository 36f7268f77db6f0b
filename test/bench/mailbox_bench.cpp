// Messages through the base actor: one JSON line a measurement.
#include <chrono>
#include <iostream>

#include "runtime/base_actor.hpp"

using namespace sotto;
using steady = std::chrono::steady_clock;

namespace {

using relay_actor = caf::typed_actor<caf::reacts_to<context, atom::tick, uint64_t>>;

struct relay_state {
  static inline const char* name = "relay";
  relay_actor next;
  std::atomic<uint64_t>* left = nullptr;
};

using relay_pointer = actor_of<relay_actor, relay_state>*;

relay_actor::behavior_type sink(relay_pointer self, std::atomic<uint64_t>* left) {
  self->state.left = left;
  return {[self](const context&, atom::tick, uint64_t) { self->state.left->fetch_sub(1); }};
}

relay_actor::behavior_type hop(relay_pointer self, relay_actor next) {
  self->state.next = std::move(next);
  return {[self](const context& ctx, atom::tick v, uint64_t n) {
    self->send(self->state.next, self->child(ctx), v, n);
  }};
}

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

void wait_for(const std::atomic<uint64_t>& left) {
  while (left.load() > 0)
    std::this_thread::sleep_for(std::chrono::microseconds{200});
}

void report(const char* name, double value) {
  std::cout << R"({"name":")" << name << R"(","unit":"messages/s","value":)"
            << static_cast<uint64_t>(value) << "}\n";
}

void one_way(caf::actor_system& sys, node_services& services, size_t actors, uint64_t messages) {
  std::atomic<uint64_t> left{messages};
  std::vector<relay_actor> sinks;
  for (size_t i = 0; i < actors; ++i)
    sinks.push_back(sys.spawn(sink, &left));
  auto ctx = services.new_flow(0, 0);
  auto start = steady::now();
  for (uint64_t i = 0; i < messages; ++i)
    caf::anon_send(sinks[i % actors], ctx, atom::tick_v, i);
  wait_for(left);
  report("mailbox_one_way", static_cast<double>(messages) / seconds_since(start));
  for (auto& x : sinks)
    caf::anon_send_exit(x, caf::exit_reason::kill);
}

void chains(caf::actor_system& sys, node_services& services, size_t count, size_t length,
            uint64_t messages) {
  std::atomic<uint64_t> left{messages};
  std::vector<relay_actor> heads, all;
  for (size_t i = 0; i < count; ++i) {
    auto next = sys.spawn(sink, &left);
    all.push_back(next);
    for (size_t j = 1; j < length; ++j)
      all.push_back(next = sys.spawn(hop, next));
    heads.push_back(next);
  }
  auto ctx = services.new_flow(0, 0);
  auto start = steady::now();
  for (uint64_t i = 0; i < messages; ++i)
    caf::anon_send(heads[i % count], ctx, atom::tick_v, i);
  wait_for(left);
  report("mailbox_chain", static_cast<double>(messages * length) / seconds_since(start));
  for (auto& x : all)
    caf::anon_send_exit(x, caf::exit_reason::kill);
}

/// A trace is looked up in a full ring, as `GET /v1/traces/{id}` does.
void find_traces() {
  constexpr uint64_t ring = 65'536, lookups = 500;
  recorder flows{ring};
  message_record x;
  for (x.ctx.trace_lo = 1; x.ctx.trace_lo <= ring; ++x.ctx.trace_lo)
    flows.record(x);
  size_t found = 0;
  auto start = steady::now();
  for (uint64_t i = 1; i <= lookups; ++i)
    found += flows.find(0, i).size();
  std::cout << R"({"name":"trace_lookup","unit":"us","value":)"
            << seconds_since(start) * 1e6 / lookups << R"(,"found":)" << found << "}\n";
}

} // namespace

int main() {
  auto services = std::make_shared<node_services>(1);
  services->mailbox_bound = 4'000'000;
  node_config config{services};
  config.add_message_type<uint64_t>("count");
  caf::actor_system sys{config};
  for (int i = 0; i < 3; ++i) {
    one_way(sys, *services, 1000, 1'000'000);
    chains(sys, *services, 100, 10, 100'000);
  }
  find_traces();
}
