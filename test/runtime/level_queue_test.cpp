#include <catch2/catch.hpp>

#include <deque>
#include <map>

#include "runtime/level_queue.hpp"
#include "runtime/random.hpp"

using namespace sotto;

TEST_CASE("a level queue keeps the order of arrival within a level") {
  splitmix random{7};
  level_queue<std::pair<priority, int>> queue{1000};
  std::map<priority, int> last;
  int next = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      auto level = static_cast<priority>(random() % priority_levels);
      CHECK_FALSE(queue.push(level, {level, ++next}).has_value());
    } else if (auto x = queue.pop()) {
      CHECK(last[x->first] < x->second);
      last[x->first] = x->second;
    }
    if (queue.size() > 990)
      while (queue.pop())
        ;
  }
}

TEST_CASE("a level queue never passes its bound and loses the newest of the lowest") {
  splitmix random{3};
  level_queue<int> queue{10};
  std::array<std::deque<int>, priority_levels> model;
  for (int i = 0; i < 5000; ++i) {
    auto level = random() % priority_levels;
    model[level].push_back(i);
    auto lost = queue.push(static_cast<priority>(level), i);
    if (lost) {
      auto lowest = priority_levels - 1;
      while (model[lowest].empty())
        --lowest;
      CHECK(*lost == model[lowest].back());
      model[lowest].pop_back();
    }
    REQUIRE(queue.size() <= 10);
    if (random() % 16 == 0) {
      auto x = queue.pop();
      for (auto& m : model)
        if (!m.empty() && m.front() == *x) {
          m.pop_front();
          break;
        }
    }
  }
}

TEST_CASE("no level of a level queue starves while a higher one is always full") {
  level_queue<int> queue{1000};
  queue.push(priority::background, 0);
  int served = 0;
  for (; served < 100; ++served) {
    queue.push(priority::critical, 1);
    queue.push(priority::critical, 1);
    if (*queue.pop() == 0)
      break;
  }
  CHECK(served <= 62);
}
