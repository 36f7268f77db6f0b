// What lies between two nodes: each with an actor system of its own in one process, linked over TLS
// on loopback, windows on. Round trips one after another, calls with many under way, and streams.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "runtime/process_figures.hpp"
#include "test/actors/link_process.hpp"

namespace {

using namespace sotto;
using namespace sotto::test;

constexpr int64_t second = 1'000'000'000;

void round_trips(linked_node& a) {
  std::vector<int64_t> took;
  caf::scoped_actor self{*a.system};
  memory_query x;
  x.owner = {"default", "ada"};
  x.text = std::string(200, 'x');
  for (auto until = monotonic_nanos() + 2 * second; monotonic_nanos() < until;) {
    auto begun = monotonic_nanos();
    self->request(a.route, caf::infinite, context{}, atom::recall_v, x)
        .receive([](const std::vector<recalled>&) {}, [](const caf::error&) { std::abort(); });
    took.push_back(monotonic_nanos() - begun);
  }
  std::sort(took.begin(), took.end());
  auto at = [&](double share) {
    return static_cast<double>(took[static_cast<size_t>(share * static_cast<double>(took.size()))])
           / 1e6;
  };
  fmt::print(R"({{"name":"link_round_trip","unit":"ms","value":{:.3f},"p50":{:.3f},"p99":{:.3f},)"
             R"("calls":{}}})"
             "\n",
             at(0.5), at(0.5), at(0.99), took.size());
}

/// Keeps so many turns under way; counts what comes back.
struct driver {
  route_actor to;
  turn_request what;
  std::atomic<uint64_t> replies{0}, failures{0}, pieces{0};
  std::atomic<bool> over{false};
};

turn_client_actor::behavior_type drive(turn_client_actor::pointer self, driver* d) {
  auto next = [=](uint64_t ticket) {
    if (!d->over)
      self->send(d->to, context{}, atom::say_v, turn_client_actor{self}, ticket, d->what);
  };
  return {[=](const context&, atom::token, uint64_t, const stream_piece&) { ++d->pieces; },
          [](const context&, atom::resumed, uint64_t, bool) {},
          [=](const context&, atom::completed, uint64_t ticket, const turn_reply&) {
            ++d->replies;
            next(ticket);
          },
          [=](const context&, atom::failed, uint64_t ticket, const failure&) {
            ++d->failures;
            next(ticket);
          }};
}

void turns(linked_node& a, const char* name, size_t bytes, bool stream) {
  driver d;
  d.to = a.route;
  d.what.owner = {"default", "ada"};
  d.what.conversation = d.what.speaker = "ada";
  d.what.text = std::string(bytes, 'x');
  d.what.stream = stream;
  auto client = a.system->spawn(drive, &d);
  auto cpu = read_process_figures().cpu;
  auto begun = monotonic_nanos();
  for (uint64_t i = 0; i < 512; ++i)
    caf::anon_send(a.route, context{}, atom::say_v, client, i, d.what);
  std::this_thread::sleep_for(std::chrono::seconds{2});
  auto replies = d.replies.load();
  auto took = static_cast<double>(monotonic_nanos() - begun) / 1e9;
  auto used = static_cast<double>(read_process_figures().cpu - cpu);
  d.over = true;
  comes([&, before = uint64_t{0}]() mutable { return before == std::exchange(before, d.replies); });
  // A turn is two messages between the nodes, three with its piece.
  auto messages = static_cast<double>(replies) * (stream ? 3 : 2) / took;
  fmt::print(R"({{"name":"{}","unit":"messages/s","value":{:.0f},"turns":{:.0f},"bytes":{},)"
             R"("cpu_us_a_turn":{:.1f},"failed":{}}})"
             "\n",
             name, messages, static_cast<double>(replies) / took, bytes,
             used / 1e3 / static_cast<double>(replies), d.failures.load());
  caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
}

} // namespace

int main() {
  spdlog::set_level(spdlog::level::off);
  certificate_folder files;
  linked_node a{"a", files.options("a")}, b{"b", files.options("b")};
  b.owns = true;
  a.know({b.member()});
  b.know({a.member()});
  a.all_live_at("b");
  if (a.recall("ready") != "ready") {
    std::fputs("link_bench: the nodes could not be linked\n", stderr);
    return 1;
  }
  round_trips(a);
  turns(a, "link_turns_200", 200, false);
  turns(a, "link_turns_1500", 1500, false);
  turns(a, "link_streams_200", 200, true);
  return 0;
}
