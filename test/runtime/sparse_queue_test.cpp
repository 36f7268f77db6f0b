#include <catch2/catch.hpp>

#include <thread>

#include "runtime/random.hpp"
#include "runtime/small_mutex.hpp"
#include "runtime/sparse_queue.hpp"

using namespace sotto;

TEST_CASE("a sparse queue is a level queue that begins anew when it was empty") {
  constexpr size_t bound = 12;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    splitmix random{seed};
    sparse_queue<unsigned> queue;
    level_queue<unsigned> model{bound};
    for (unsigned i = 1; i <= 2000; ++i) {
      auto level = static_cast<priority>(random() % priority_levels);
      // Full at times, empty at others, and often with one item only.
      if (random() % 100 < 35 + i / 100 % 3 * 15)
        REQUIRE(queue.push(level, i, bound) == model.push(level, i));
      else
        REQUIRE(queue.pop() == model.pop());
      if (model.empty())
        model = level_queue<unsigned>{bound};
      REQUIRE(queue.size() == model.size());
      REQUIRE(queue.empty() == model.empty());
    }
  }
}

TEST_CASE("a sparse queue lets go of what it handed out") {
  auto counted = std::make_shared<int>(0);
  sparse_queue<std::shared_ptr<int>> queue;
  for (int items = 1; items <= 3; ++items) {
    for (int i = 0; i < items; ++i)
      queue.push(priority::normal, counted, 10);
    CHECK(counted.use_count() == 1 + items);
    while (queue.pop())
      ;
    CHECK(counted.use_count() == 1);
  }
}

TEST_CASE("a small mutex lets in one at a time") {
  small_mutex mutex;
  uint64_t counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 100'000; ++j) {
        std::lock_guard guard{mutex};
        ++counter;
      }
    });
  for (auto& x : threads)
    x.join();
  CHECK(counter == 400'000);
}
