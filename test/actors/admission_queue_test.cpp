#include "actors/admission_queue.hpp"
#include "runtime/node_load.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <map>

#include "runtime/random.hpp"

using namespace sotto;

namespace {

/// A turn: which conversation, and which of its turns.
struct said {
  uint64_t conversation = 0;
  int number = 0;
};

admission_limits limits(size_t running) {
  admission_limits x;
  x.running = running;
  x.following_one = 1000;
  return x;
}

turn_class of(uint64_t conversation, priority level = priority::normal, uint64_t tenant = 0) {
  static uint64_t ticket = 0;
  turn_class x;
  x.name = {1, ++ticket};
  x.conversation = conversation;
  x.level = level;
  x.tenant = tenant;
  return x;
}

using queue_of_turns = admission_queue<said>;

} // namespace

TEST_CASE("as many turns run as there are slots, one of each conversation") {
  queue_of_turns queue{limits(2)};
  for (int i = 0; i < 3; ++i)
    queue.add({1, i}, of(1), 0);
  queue.add({2, 0}, of(2), 0);
  queue.add({3, 0}, of(3), 0);
  auto a = queue.next(0), b = queue.next(0);
  REQUIRE((a && b));
  CHECK(a->what.conversation == 1);
  CHECK(b->what.conversation == 2);
  CHECK_FALSE(queue.next(0));
  queue.ended(b->number, 0);
  CHECK(queue.next(0)->what.conversation == 3);
  CHECK_FALSE(queue.next(0));
  queue.ended(a->number, 0);
  queue.ended(a->number, 0); // told twice
  CHECK(queue.next(0)->what.number == 1);
  CHECK_FALSE(queue.next(0));
}

TEST_CASE("a turn that waits for others than the node frees its slot, not its conversation") {
  queue_of_turns queue{limits(1)};
  queue.add({1, 0}, of(1), 0);
  queue.add({1, 1}, of(1), 0);
  queue.add({2, 0}, of(2), 0);
  auto a = queue.next(0);
  queue.yield(a->number);
  queue.yield(a->number);
  CHECK(queue.holding() == 0);
  CHECK(queue.next(0)->what.conversation == 2);
  CHECK_FALSE(queue.next(0));
  queue.ended(a->number, 0);
  CHECK(queue.holding() == 1);
}

TEST_CASE(
    "what is urgent draws on what came before it in its conversation, and does not overtake") {
  queue_of_turns queue{limits(1)};
  queue.add({9, 0}, of(9), 0);
  auto running = queue.next(0);
  queue.add({2, 0}, of(2, priority::normal), 0);
  queue.add({1, 0}, of(1, priority::low), 0);
  queue.add({1, 1}, of(1, priority::critical), 0);
  queue.ended(running->number, 0);
  auto first = queue.next(0);
  CHECK(first->what.conversation == 1);
  CHECK(first->what.number == 0);
  CHECK(first->level == priority::low);
  queue.ended(first->number, 0);
  CHECK(queue.next(0)->what.number == 1);
}

TEST_CASE("a retry of the turn that runs goes on without a slot") {
  queue_of_turns queue{limits(1)};
  auto keyed = [] {
    auto x = of(1);
    x.key = 7;
    return x;
  };
  queue.add({1, 0}, keyed(), 0);
  queue.add({1, 1}, of(1), 0);
  queue.add({1, 2}, keyed(), 0);
  auto first = queue.next(0), retry = queue.next(0);
  REQUIRE((first && retry));
  CHECK(retry->number == 0);
  CHECK(retry->what.number == 2);
  queue.add({1, 3}, keyed(), 0);
  CHECK(queue.next(0)->what.number == 3);
  CHECK(queue.holding() == 1);
  CHECK(queue.waiting() == 1);
}

TEST_CASE("where there is no room the newest of the lowest level gives way, and its conversation "
          "goes on") {
  auto few = limits(1);
  few.queue.bound = 2;
  few.following_one = 1;
  queue_of_turns queue{few};
  queue.add({9, 0}, of(9), 0);
  CHECK(queue.next(0));
  queue.add({1, 0}, of(1, priority::low), 0);
  queue.add({1, 1}, of(1, priority::low), 0);
  queue.add({1, 2}, of(1, priority::low), 0); // too many of one conversation
  auto refused = queue.refused();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].number == 2);
  queue.add({2, 0}, of(2, priority::low), 0);
  queue.add({3, 0}, of(3, priority::high), 0);
  refused = queue.refused();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].conversation == 2);
  queue.add({4, 0}, of(4, priority::high), 0);
  refused = queue.refused(); // the first of conversation 1, and then the one behind it
  REQUIRE(refused.size() == 2);
  CHECK(refused[0].number == 0);
  CHECK(refused[1].number == 1);
  CHECK(queue.waiting() == 2);
}

TEST_CASE("a turn leaves by its deadline or by its name, wherever it waits") {
  queue_of_turns queue{limits(1)};
  queue.add({9, 0}, of(9), 0);
  auto running = queue.next(0);
  auto first = of(1), second = of(1), third = of(1);
  first.deadline = 100;
  second.deadline = 50;
  queue.add({1, 0}, first, 0);
  queue.add({1, 1}, second, 0);
  queue.add({1, 2}, third, 0);
  CHECK(queue.next_deadline() == 50);
  auto late = queue.late(60);
  REQUIRE(late.size() == 1);
  CHECK(late[0].number == 1);
  CHECK(queue.remove(first.name, 70)->number == 0);
  CHECK_FALSE(queue.remove(first.name, 70));
  CHECK(queue.next_deadline() == 0);
  queue.ended(running->number, 80);
  CHECK(queue.next(80)->what.number == 2);
}

TEST_CASE("conversations of two tenants do not wait for each other, whatever their names hash to") {
  queue_of_turns queue{limits(2)};
  queue.add({1, 0}, of(1, priority::normal, 10), 0);
  queue.add({1, 1}, of(1, priority::normal, 11), 0);
  CHECK(queue.next(0));
  CHECK(queue.next(0));
}

namespace {

/// A node at the step that refuses, which serves `capacity` turns a tick and has room for twice
/// that. Tenants offer so many a tick, each turn a conversation of its own.
std::map<uint64_t, std::pair<double, double>> served_and_refused(std::map<uint64_t, int> offered,
                                                                 uint64_t seed) {
  constexpr int capacity = 100, ticks = 400, warm = 40;
  node_load load;
  load.room[static_cast<size_t>(priority::normal)] = 2 * capacity;
  queue_of_turns queue{limits(1), &load.tenants};
  splitmix random{seed};
  std::map<uint64_t, std::pair<double, double>> result;
  std::vector<uint64_t> turns;
  for (auto& [tenant, count] : offered)
    turns.insert(turns.end(), static_cast<size_t>(count), tenant);
  uint64_t conversation = 0;
  auto publish = [&] {
    load.ahead[static_cast<size_t>(priority::normal)] = static_cast<uint32_t>(queue.queued());
  };
  for (int tick = 0; tick < ticks; ++tick) {
    for (size_t i = turns.size(); i > 1; --i)
      std::swap(turns[i - 1], turns[random() % i]);
    size_t arrived = 0;
    for (int served = 0; served < capacity; ++served) {
      for (; arrived < turns.size() * static_cast<size_t>(served + 1) / capacity; ++arrived) {
        auto tenant = turns[arrived];
        publish();
        if (!load.refuses(priority::normal, tenant))
          queue.add({++conversation, static_cast<int>(tenant)},
                    of(conversation, priority::normal, tenant), 0);
        else if (tick >= warm)
          result[tenant].second += 1.0 / (ticks - warm);
      }
      if (auto x = queue.next(0)) {
        if (tick >= warm)
          result[x->tenant].first += 1.0 / (ticks - warm);
        queue.ended(x->number, 0);
      }
    }
    CHECK(queue.queued() <= 4 * capacity);
  }
  return result;
}

} // namespace

TEST_CASE("who floods is refused first; who stays within a fair share is never refused") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    auto x = served_and_refused({{1, 1000}, {2, 120}, {3, 60}, {4, 10}}, seed);
    CHECK(x[4].first == Approx(10).epsilon(0.05));
    CHECK(x[4].second == 0);
    // Max-min fair: what the fourth leaves is shared by those who want more.
    for (uint64_t tenant : {1, 2, 3})
      CHECK(x[tenant].first == Approx(30).epsilon(0.05));
    // A tenant alone has everything.
    CHECK(served_and_refused({{1, 1000}}, seed)[1].first == Approx(100).epsilon(0.01));
    // Many small ones and one that floods.
    std::map<uint64_t, int> many{{100, 2000}};
    for (uint64_t i = 0; i < 40; ++i)
      many[i] = 1;
    auto y = served_and_refused(many, seed);
    for (uint64_t i = 0; i < 40; ++i)
      CHECK(y[i].second == 0);
    CHECK(y[100].first == Approx(60).epsilon(0.05));
  }
}

TEST_CASE("between levels services are weighted, between tenants of a level even within 5 %") {
  queue_of_turns queue{limits(1)};
  splitmix random{3};
  std::map<uint64_t, double> by_tenant;
  std::map<priority, double> by_level;
  uint64_t conversation = 0;
  // Tenant 0 asks for nine tenths of everything; what was served is put back, so all lines stay
  // full.
  auto put = [&](uint64_t tenant, priority level) {
    ++conversation;
    queue.add({conversation, static_cast<int>(tenant)}, of(conversation, level, tenant), 0);
  };
  for (auto level : {priority::high, priority::normal, priority::low})
    for (int i = 0; i < 300; ++i)
      put(random() % 10 != 0 ? 0 : 1 + static_cast<uint32_t>(random() % 3), level);
  constexpr int services = 20'000;
  for (int i = 0; i < services; ++i) {
    auto x = queue.next(0);
    REQUIRE(x);
    ++by_tenant[x->tenant];
    ++by_level[x->level];
    put(x->tenant, x->level);
    queue.ended(x->number, 0);
  }
  for (auto& [tenant, count] : by_tenant)
    CHECK(count / services == Approx(0.25).margin(0.05 * 0.25));
  CHECK(by_level[priority::high] / services == Approx(16.0 / 28).epsilon(0.05));
  CHECK(by_level[priority::normal] / services == Approx(8.0 / 28).epsilon(0.05));
  CHECK(by_level[priority::low] / services == Approx(4.0 / 28).epsilon(0.05));
}

TEST_CASE("whatever comes, goes and is given up: order is kept, nothing is lost, no slot leaks") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    splitmix random{seed};
    auto some = limits(5);
    some.queue.bound = 40;
    some.following = 60;
    some.following_one = 4;
    queue_of_turns queue{some};
    std::map<uint64_t, int> newest, last_run;
    std::vector<uint64_t> running;
    std::vector<turn_name> names;
    int64_t now = 0;
    size_t added = 0, gone = 0;
    std::map<uint64_t, int> at_once;
    std::map<uint64_t, uint64_t> conversation_of;
    auto serve = [&] {
      while (auto x = queue.next(now)) {
        ++gone;
        CHECK(last_run[x->what.conversation] < x->what.number);
        last_run[x->what.conversation] = x->what.number;
        CHECK(++at_once[x->what.conversation] == 1);
        conversation_of[x->number] = x->what.conversation;
        running.push_back(x->number);
      }
      gone += queue.refused().size();
      CHECK(queue.holding() <= some.running);
      CHECK(queue.waiting() <= some.queue.bound + some.following);
      CHECK(added == gone + queue.waiting());
    };
    auto end_one = [&] {
      auto i = random() % running.size();
      --at_once[conversation_of[running[i]]];
      queue.ended(running[i], now);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    };
    for (int i = 0; i < 3000; ++i) {
      now += 10;
      auto what = random() % 10;
      if (what < 5) {
        auto conversation = 1 + random() % 12;
        auto x = of(conversation, static_cast<priority>(random() % priority_levels));
        x.deadline = random() % 3 == 0 ? now + static_cast<int64_t>(random() % 3000) : 0;
        names.push_back(x.name);
        queue.add({conversation, ++newest[conversation]}, x, now);
        ++added;
      } else if (what < 8 && !running.empty()) {
        end_one();
      } else if (what == 8 && !running.empty()) {
        queue.yield(running[random() % running.size()]);
      } else if (!names.empty()) {
        gone += queue.remove(names[random() % names.size()], now) ? 1 : 0;
      }
      gone += queue.late(now).size();
      serve();
    }
    while (!running.empty()) {
      end_one();
      serve();
    }
    CHECK(queue.idle());
    CHECK(queue.holding() == 0);
    CHECK(added == gone);
  }
}
