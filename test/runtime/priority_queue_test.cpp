#include <catch2/catch.hpp>

#include <deque>
#include <map>

#include "runtime/priority_queue.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

struct item {
  priority level;
  uint32_t tenant;
  int number;
};

queue_class class_of(const item& x) {
  return {x.level, x.tenant};
}

} // namespace

TEST_CASE("a priority queue keeps the order of arrival of a tenant within a level") {
  splitmix random{11};
  priority_queue<item> queue;
  std::map<std::pair<priority, uint32_t>, int> last;
  size_t in = 0, out = 0;
  for (int i = 1; i < 60'000; ++i) {
    if (random() % 5 < 3) {
      item x{static_cast<priority>(random() % priority_levels),
             static_cast<uint32_t>(random() % 200), i};
      REQUIRE_FALSE(queue.push(x, class_of(x), i).has_value());
      ++in;
    } else if (auto x = queue.pop(i)) {
      auto& before = last[{x->level, x->tenant}];
      CHECK(before < x->number);
      before = x->number;
      ++out;
    }
  }
  while (queue.pop(60'000))
    ++out;
  CHECK(in == out);
}

TEST_CASE("a priority queue never passes its bound and loses the newest of the lowest level") {
  splitmix random{5};
  priority_queue<item> queue{{.bound = 32}};
  std::array<std::deque<int>, priority_levels> model;
  size_t size = 0;
  for (int i = 0; i < 20'000; ++i) {
    item x{static_cast<priority>(random() % priority_levels), 0, i};
    auto level = static_cast<size_t>(x.level);
    model[level].push_back(i);
    ++size;
    if (auto lost = queue.push(x, class_of(x), i)) {
      auto lowest = priority_levels - 1;
      while (model[lowest].empty())
        --lowest;
      REQUIRE(lost->number == model[lowest].back());
      model[lowest].pop_back();
      --size;
    }
    REQUIRE(queue.size() == size);
    REQUIRE(size <= 32);
    if (random() % 3 == 0) {
      auto y = queue.pop(i);
      REQUIRE(y);
      CHECK(std::erase(model[static_cast<size_t>(y->level)], y->number) == 1);
      --size;
    }
  }
}

TEST_CASE("what a full priority queue loses is the newest of a tenant of the lowest level") {
  splitmix random{6};
  priority_queue<item> queue{{.bound = 32}};
  std::array<std::map<uint64_t, std::deque<int>>, priority_levels> model;
  size_t size = 0;
  for (int i = 0; i < 20'000; ++i) {
    item x{static_cast<priority>(random() % priority_levels), static_cast<uint32_t>(random() % 7),
           i};
    auto level = static_cast<size_t>(x.level);
    model[level][x.tenant].push_back(i);
    ++size;
    if (auto lost = queue.push(x, class_of(x), i)) {
      auto lowest = priority_levels - 1;
      while (model[lowest].empty())
        --lowest;
      REQUIRE(static_cast<size_t>(lost->level) == lowest);
      auto& line = model[lowest][lost->tenant];
      REQUIRE(line.back() == lost->number);
      line.pop_back();
      if (line.empty())
        model[lowest].erase(lost->tenant);
      --size;
    }
    REQUIRE(queue.size() == size);
    REQUIRE(size <= 32);
    if (random() % 3 == 0) {
      auto y = queue.pop(i);
      REQUIRE(y);
      auto& lines = model[static_cast<size_t>(y->level)];
      REQUIRE(lines[y->tenant].front() == y->number);
      lines[y->tenant].pop_front();
      if (lines[y->tenant].empty())
        lines.erase(y->tenant);
      --size;
    }
  }
}

TEST_CASE("a full priority queue loses what its flooding tenant has, not what others send") {
  priority_queue<item> queue{{.bound = 100}};
  int number = 0;
  auto push = [&](uint32_t tenant) {
    item x{priority::normal, tenant, ++number};
    return queue.push(x, class_of(x), 0);
  };
  for (int i = 0; i < 150; ++i) {
    auto lost = push(0);
    CHECK(lost.has_value() == (i >= 100));
  }
  // Twenty others come one after another: each finds room until it has as much as the flood.
  for (uint32_t tenant = 1; tenant <= 20; ++tenant)
    for (int i = 0; i < 3; ++i) {
      auto lost = push(tenant);
      REQUIRE(lost);
      CHECK(lost->tenant == 0);
    }
  std::map<uint32_t, int> left;
  while (auto x = queue.pop(0))
    ++left[x->tenant];
  CHECK(left[0] == 40);
  for (uint32_t tenant = 1; tenant <= 20; ++tenant)
    CHECK(left[tenant] == 3);
}

TEST_CASE("tenants of a level are served alike within five per cent under skew") {
  splitmix random{23};
  priority_queue<item> queue{{.bound = 100'000}};
  // One tenant floods with 90 % of all items; ten send the rest, more than their share.
  std::map<uint32_t, int> waiting, served;
  for (int i = 0; i < 50'000; ++i) {
    auto tenant = static_cast<uint32_t>(random() % 10 < 9 ? 0 : 1 + random() % 10);
    queue.push({priority::normal, tenant, i}, {priority::normal, tenant}, 0);
    ++waiting[tenant];
  }
  for (int i = 0; i < 11 * 300; ++i)
    ++served[queue.pop(0)->tenant];
  for (auto& [tenant, count] : served) {
    INFO("tenant " << tenant);
    CHECK(std::abs(count - 300) <= 15);
  }
}

TEST_CASE("levels are served by their weights while all of them wait") {
  priority_queue<item> queue;
  for (int i = 0; i < 10'000; ++i)
    for (size_t level = 0; level < priority_levels; ++level) {
      item x{static_cast<priority>(level), 0, i};
      queue.push(x, class_of(x), 0);
    }
  std::array<int, priority_levels> served{};
  for (int i = 0; i < 62 * 100; ++i)
    ++served[static_cast<size_t>(queue.pop(0)->level)];
  CHECK(served == std::array<int, priority_levels>{3200, 1600, 800, 400, 200});
}

TEST_CASE("nothing starves: an overdue item is served however much of more weight arrives") {
  priority_queue<item> queue{
      {.weights = {255, 1, 1, 1, 1}, .overdue_after = 100, .overdue_share = 8}};
  queue.push({priority::background, 1, -1}, {priority::background, 1}, 0);
  int services = 0;
  for (int64_t now = 100;; ++now, ++services) {
    for (int i = 0; i < 2; ++i)
      queue.push({priority::critical, 0, i}, {priority::critical, 0}, now);
    if (queue.pop(now)->number == -1)
      break;
  }
  CHECK(services < 8);
}

TEST_CASE("an item is taken out by what it is and the others keep their order") {
  priority_queue<int> queue;
  for (int i = 0; i < 10; ++i)
    queue.push(i, {priority::normal, static_cast<uint32_t>(i % 3)}, i);
  CHECK(queue.take_if([](int x) { return x == 4; }) == 4);
  CHECK_FALSE(queue.take_if([](int x) { return x == 4; }));
  std::vector<int> left;
  while (auto x = queue.pop(100))
    left.push_back(*x);
  CHECK(left.size() == 9);
  CHECK(std::is_sorted(left.begin(), left.begin() + 3));
}

TEST_CASE("an item is taken from wherever it stands, and the others keep their order") {
  priority_queue<item> queue;
  std::vector<priority_queue<item>::place> places(10);
  for (int i = 0; i < 10; ++i) {
    item x{priority::normal, static_cast<uint32_t>(i % 2), i};
    queue.push(x, class_of(x), 0, &places[static_cast<size_t>(i)]);
  }
  for (int i : {0, 5, 8})
    CHECK(queue.take(places[static_cast<size_t>(i)]).number == i);
  CHECK(queue.size() == 7);
  std::map<uint32_t, std::vector<int>> left;
  while (auto x = queue.pop(0))
    left[x->tenant].push_back(x->number);
  CHECK(left[0] == std::vector<int>{2, 4, 6});
  CHECK(left[1] == std::vector<int>{1, 3, 7, 9});
}
