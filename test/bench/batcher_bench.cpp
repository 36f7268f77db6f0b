// What batching costs by itself: batcher_bench, one JSON line a measurement. The operation does
// nothing, so all time is the queue's. By the CPU time of the process, which has one thread.
#include <ctime>
#include <iostream>

#include <fmt/format.h>

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

} // namespace

int main() {
  measure("batch_busy", 1'000, 2'000);
  measure("batch_lone", 1, 1'000'000);
  measure_equal();
}
