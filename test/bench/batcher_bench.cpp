// What batching costs by itself: batcher_bench, one JSON line a measurement. The operation does
// nothing, so all time is the batcher's. Core: CPU time of one thread. Through an actor: CPU time
// of the process, on one core and on all; on all, waking threads of each other is part of it.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <sched.h>
#include <thread>

#include <fmt/format.h>

#include "actors/senses.hpp"
#include "runtime/batch_policy.hpp"
#include "runtime/batch_queue.hpp"

using namespace sotto;

namespace {

using queue = batch_queue<uint64_t, uint64_t>;

batch_keys<uint64_t> distinct() {
  batch_keys<uint64_t> keys;
  keys.equality = [](const uint64_t& x) {
    return std::string(reinterpret_cast<const char*>(&x), sizeof x);
  };
  keys.similarity = [](const uint64_t& x) { return x % 16; };
  return keys;
}

/// Runs batches until nothing waits; the calls made.
size_t serve(queue& q, batch_policy& policy, queue::answers& out, int64_t now) {
  size_t calls = 0;
  for (;;) {
    auto x = q.cut(policy.size(), 1e9, now, out);
    if (x.items.empty())
      return calls;
    ++calls;
    std::vector<queue::result> results;
    results.reserve(x.items.size());
    for (auto* item : x.items)
      results.emplace_back(*item);
    policy.served(x.items.size(), 1'000);
    q.finish(x.number, std::move(results), out);
  }
}

/// Nanoseconds an item when `together` requests wait at a time.
void measure(const char* name, size_t together, size_t rounds) {
  queue q{distinct()};
  batch_policy policy;
  queue::answers out;
  uint64_t next = 0;
  auto start = std::clock();
  for (size_t i = 0; i < rounds; ++i) {
    auto now = static_cast<int64_t>(i) * 1'000;
    for (size_t j = 0; j < together; ++j) {
      policy.arrived(now);
      auto level = static_cast<priority>(next % priority_levels);
      q.submit({next, {level, static_cast<uint32_t>(next % 7)}, 0}, now, out);
      ++next;
    }
    serve(q, policy, out, now);
    out.clear();
  }
  auto seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::cout << fmt::format(R"({{"name":"{}","waiting":{},"unit":"ns/item","value":{:.0f}}})"
                           "\n",
                           name, together, seconds * 1e9 / static_cast<double>(next));
}

void measure_equal() {
  queue q{distinct()};
  batch_policy policy;
  queue::answers out;
  for (size_t i = 0; i < 5'000; ++i)
    q.submit({42, {}, 0}, 0, out);
  auto calls = serve(q, policy, out, 0);
  std::cout << fmt::format(
      R"({{"name":"batch_equal","requests":5000,"answers":{},"unit":"calls","value":{}}})"
      "\n",
      out.size(), calls);
}

// -- through an actor ---------------------------------------------------------------------------

/// The same answer without a batcher: what an actor costs by itself.
struct plain_state {
  static inline const char* name = "plain";
};
analyser_actor::behavior_type plain(actor_of<analyser_actor, plain_state>*) {
  return {
      [](const context&, atom::analyse, const std::string&) { return std::vector<std::string>{}; }};
}

analyser_operation nothing() {
  analyser_operation what;
  what.name = "nothing";
  what.keys.equality = [](const std::string& text) { return text; };
  what.compute = [](std::span<const std::string* const> items) {
    return analyser_operation::results(items.size(), std::vector<std::string>{});
  };
  return what;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Asks one after the other: microseconds a question.
double lone(caf::actor_system& system, const analyser_actor& to, size_t rounds) {
  caf::scoped_actor self{system};
  auto start = now();
  for (size_t i = 0; i < rounds; ++i)
    self->request(to, caf::infinite, context{}, atom::analyse_v, std::to_string(i))
        .receive([](const std::vector<std::string>&) {}, [](caf::error&) {});
  return (now() - start) * 1e6 / static_cast<double>(rounds);
}

/// Keeps 64 questions under way from each of a few actors: CPU nanoseconds a question, of the whole
/// process. Elapsed time would measure how the threads wake each other.
double busy(caf::actor_system& system, const analyser_actor& to, size_t each) {
  constexpr size_t askers = 8, under_way = 64;
  struct asker {
    static void next(caf::event_based_actor* me, analyser_actor to, size_t left) {
      if (left == 0)
        return;
      me->request(to, caf::infinite, context{}, atom::analyse_v, std::to_string(left))
          .then([=](const std::vector<std::string>&) { next(me, to, left - 1); },
                [](caf::error&) {});
    }
  };
  auto start = std::clock();
  for (size_t i = 0; i < askers; ++i)
    system.spawn([&, to](caf::event_based_actor* me) {
      for (size_t j = 0; j < under_way; ++j)
        asker::next(me, to, each / under_way);
    });
  system.await_actors_before_shutdown(true);
  while (system.registry().running() > 1) // the batcher
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  auto seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return seconds * 1e9 / static_cast<double>(askers * each);
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

/// With and without a batcher by turns, so that what else the machine does meets both: medians.
template <class Measure>
void compare(caf::actor_system& system, const std::string& name, const char* unit,
             Measure measure) {
  constexpr size_t rounds = 7;
  std::vector<double> with, without, added;
  auto run = [&](const analyser_actor& to, std::vector<double>& into) {
    into.push_back(measure(system, to));
    caf::anon_send_exit(to, caf::exit_reason::user_shutdown);
    system.await_all_actors_done();
  };
  for (size_t i = 0; i < rounds; ++i) {
    run(caf::actor_cast<analyser_actor>(system.spawn(plain)), without);
    run(system.spawn(analyser, nothing(), std::make_shared<work_places>()), with);
    added.push_back(with.back() - without.back());
  }
  std::cout << fmt::format(
      R"({{"name":"{}","unit":"{}","value":{:.1f},"without_batcher":{:.1f},"added":{:.1f}}})"
      "\n",
      name, unit, median(with), median(without), median(added));
}

void measure_actors(const std::string& where, size_t threads) {
  auto services = std::make_shared<node_services>(1);
  node_config config{services};
  config.set("scheduler.max-threads", threads);
  caf::actor_system system{config};
  compare(system, "batcher_lone_" + where, "us",
          [](auto& in, auto& to) { return lone(in, to, 10'000); });
  compare(system, "batcher_busy_" + where, "ns/item",
          [](auto& in, auto& to) { return busy(in, to, 50'000); });
}

/// All threads that are made from here on share one core.
void stay_on_one_core() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
}

} // namespace

int main() {
  measure("batch_busy", 1'000, 2'000);
  measure("batch_lone", 1, 1'000'000);
  measure_equal();
  measure_actors("all_cores", std::thread::hardware_concurrency());
  stay_on_one_core();
  measure_actors("one_core", 1);
}
