// The priority queue alone, on one core: one JSON line a measurement.
#include <chrono>
#include <iostream>

#include "runtime/priority_queue.hpp"
#include "runtime/random.hpp"

using namespace sotto;
using steady = std::chrono::steady_clock;

namespace {

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

void report(const char* name, uint32_t tenants, double rate) {
  std::cout << R"({"name":")" << name << R"(","tenants":)" << tenants
            << R"(,"unit":"items/s","value":)" << static_cast<uint64_t>(rate) << "}\n";
}

void measure(uint32_t tenants) {
  constexpr size_t count = 10'000, rounds = 500;
  splitmix random{1};
  std::vector<queue_class> classes(count);
  for (auto& x : classes)
    x = {static_cast<priority>(random() % priority_levels),
         static_cast<uint32_t>(random() % tenants)};
  priority_queue<uint64_t> queue{{.bound = count + 1}};
  double in = 0, out = 0;
  uint64_t sum = 0;
  for (size_t r = 0; r < rounds; ++r) {
    auto start = steady::now();
    for (size_t i = 0; i < count; ++i)
      queue.push(i, classes[i], 0);
    in += seconds_since(start);
    // The last one stays: an empty queue gives its memory back, which is not the steady state.
    start = steady::now();
    while (queue.size() > 1)
      sum += *queue.pop(0);
    out += seconds_since(start);
    if (r == 9)
      in = out = 0; // the slab has grown to its size
  }
  if (sum == 0)
    std::cerr << "nothing was taken\n";
  report("priority_queue_in", tenants, count * (rounds - 10) / in);
  report("priority_queue_out", tenants, count * (rounds - 10) / out);
}

} // namespace

int main() {
  for (uint32_t tenants : {1, 100, 10'000})
    measure(tenants);
}
