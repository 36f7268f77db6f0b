// What ADMISSION costs a turn: turns go to it and on to a partition that drops them, which ends
// them. The same turns straight to the partition are taken off. Processor time, all threads.
#include <chrono>
#include <future>
#include <thread>

#include <fmt/format.h>

#include "actors/admission.hpp"
#include "runtime/services.hpp"
#include "test/actors/quiet_partition.hpp"

namespace {

using namespace sotto;

constexpr int turns = 300'000;

/// Drops what it gets, and counts it.
listened_partition_actor::behavior_type sink(listened_partition_actor::pointer,
                                             std::atomic<int>* count) {
  return test::quiet_partition<listened_partition_actor>([=](const turn_request&) { ++*count; });
}

turn_client_actor::behavior_type nobody(turn_client_actor::pointer) {
  return {[](const context&, atom::token, uint64_t, const stream_piece&) {},
          [](const context&, atom::resumed, uint64_t, bool) {},
          [](const context&, atom::completed, uint64_t, const turn_reply&) {},
          [](const context&, atom::failed, uint64_t, const failure&) {}};
}

/// Nanoseconds of processor time a turn.
template <class Handle>
double run(const Handle& to, const turn_client_actor& client, std::atomic<int>& count) {
  count = 0;
  auto before = read_process_figures().cpu;
  for (int i = 0; i < turns; ++i) {
    turn_request x;
    x.owner = {"default", fmt::format("user-{}", i % 5000)};
    x.conversation = x.speaker = x.owner.owner;
    x.text = "Today I went to the lake and it was wonderful! What do you think of that?";
    caf::anon_send(to, context{}, atom::say_v, client, static_cast<uint64_t>(i), std::move(x));
    while (i - count > 400) // as many as many sockets have under way
      std::this_thread::sleep_for(std::chrono::microseconds{50});
  }
  while (count < turns)
    std::this_thread::sleep_for(std::chrono::microseconds{100});
  return static_cast<double>(read_process_figures().cpu - before) / turns;
}

} // namespace

int main() {
  auto services = std::make_shared<node_services>(1);
  node_config config{services};
  config.set("scheduler.max-threads", size_t{1}); // wake-ups of idle threads are not its cost
  caf::actor_system system{config};
  std::atomic<int> count{0};
  auto home = system.spawn(sink, &count);
  auto client = system.spawn(nobody);
  admission_parts parts;
  parts.workers = 2;
  parts.home = [&](const owner_key&) -> partition_actor { return home; };
  auto door = system.spawn(admission, parts);
  for (int i = 0; i < 3; ++i) {
    auto straight = run(home, client, count), through = run(door, client, count);
    fmt::print(R"({{"name":"admission","unit":"ns/turn","value":{:.0f},"straight":{:.0f},)"
               R"("through":{:.0f}}})"
               "\n",
               through - straight, straight, through);
  }
  caf::anon_send_exit(door, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(home, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
  return 0;
}
