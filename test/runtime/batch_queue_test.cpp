#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "runtime/batch_queue.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

using queue = batch_queue<int, int>;

batch_keys<int> by_value() {
  batch_keys<int> keys;
  keys.equality = [](const int& x) { return std::to_string(x); };
  keys.similarity = [](const int& x) { return static_cast<uint64_t>(x % 10); };
  return keys;
}

/// An operation that doubles, and fails as a whole where a batch holds a negative number.
struct doubler {
  queue& to;
  size_t calls = 0;
  std::vector<std::vector<int>> batches{};

  bool run(queue::answers& out, size_t most = 50, int64_t now = 0) {
    auto x = to.cut(most, 1e9, now, out);
    if (x.items.empty())
      return false;
    ++calls;
    auto& seen = batches.emplace_back();
    for (auto* item : x.items)
      seen.push_back(*item);
    if (std::any_of(seen.begin(), seen.end(), [](int item) { return item < 0; })) {
      to.fail(x.number, {ec::internal, "poison", {}}, out);
      return true;
    }
    std::vector<queue::result> results;
    for (auto item : seen)
      results.emplace_back(2 * item);
    to.finish(x.number, std::move(results), out);
    return true;
  }

  void run_all(queue::answers& out) {
    while (run(out)) {
    }
  }
};

queue::request ask(int x, priority level = priority::normal, int64_t deadline = 0) {
  return {x, {level, 0}, deadline};
}

ec code(const queue::answer& x) {
  auto* why = std::get_if<failure>(&x.what);
  return why ? why->code : ec::none;
}

} // namespace

TEST_CASE("what two tenants ask is computed for each, before and while it runs") {
  queue q{by_value()};
  queue::answers out;
  auto ask_for = [&](uint64_t tenant) { q.submit({7, {priority::normal, tenant}, 0}, 0, out); };
  for (auto tenant : {1, 2, 1, 2})
    ask_for(tenant);
  auto x = q.cut(50, 1e9, 0, out);
  CHECK(x.items.size() == 2);
  CHECK(std::set<uint64_t>{x.tenants.begin(), x.tenants.end()} == std::set<uint64_t>{1, 2});
  for (auto tenant : {2, 3})
    ask_for(tenant);
  CHECK(q.waiting() == 1); // the third tenant's
  CHECK(q.counts().coalesced[static_cast<size_t>(priority::normal)] == 3);
  q.finish(x.number, {14, 14}, out);
  CHECK(out.size() == 5);
}

TEST_CASE("five thousand equal requests make one call, before and while it runs") {
  queue q{by_value()};
  queue::answers out;
  for (int i = 0; i < 2500; ++i)
    q.submit(ask(7), 0, out);
  auto x = q.cut(50, 1e9, 0, out);
  REQUIRE(x.items.size() == 1);
  for (int i = 0; i < 2500; ++i)
    q.submit(ask(7), 0, out);
  CHECK(q.waiting() == 0);
  CHECK(q.cut(50, 1e9, 0, out).items.empty());
  q.finish(x.number, {14}, out);
  REQUIRE(out.size() == 5000);
  std::set<uint64_t> tickets;
  for (auto& y : out) {
    CHECK(std::get<int>(y.what) == 14);
    tickets.insert(y.ticket);
  }
  CHECK(tickets.size() == 5000);
  CHECK(q.counts().coalesced[2] == 4999);
  // Once answered, the same is asked anew.
  q.submit(ask(7), 0, out);
  CHECK(q.waiting() == 1);
}

TEST_CASE("an item that fails its batch fails alone") {
  queue q{by_value()};
  queue::answers out;
  std::map<uint64_t, int> asked;
  for (int i = 1; i <= 50; ++i)
    asked[q.submit(ask(i == 33 ? -1 : i), 0, out)] = i;
  doubler operation{q};
  operation.run_all(out);
  REQUIRE(out.size() == 50);
  for (auto& x : out) {
    auto i = asked.at(x.ticket);
    CHECK((code(x) == ec::internal) == (i == 33));
    if (i != 33)
      CHECK(std::get<int>(x.what) == 2 * i);
  }
  CHECK(operation.calls <= 1 + 2 * 6); // halves of 50 down to one
}

TEST_CASE("an operation that answers with another count is asked again in halves") {
  queue q{by_value()};
  queue::answers out;
  q.submit(ask(1), 0, out);
  q.submit(ask(2), 0, out);
  auto x = q.cut(50, 1e9, 0, out);
  q.finish(x.number, {2}, out);
  CHECK(out.empty());
  CHECK(q.waiting() == 2);
  x = q.cut(50, 1e9, 0, out);
  REQUIRE(x.items.size() == 1);
  q.finish(x.number, {}, out);
  REQUIRE(out.size() == 1);
  CHECK(code(out[0]) == ec::internal);
  doubler{q}.run_all(out);
  CHECK(std::get<int>(out.at(1).what) == 4);
}

TEST_CASE("what is asked for too late is not run") {
  queue q{by_value()};
  queue::answers out;
  auto late = q.submit(ask(1, priority::normal, 10), 0, out);
  q.submit(ask(2, priority::normal, 30), 0, out);
  // The same item for two: one of them still wants it.
  auto gone = q.submit(ask(2, priority::normal, 5), 0, out);
  doubler operation{q};
  operation.run(out, 50, 20);
  CHECK(operation.batches.at(0) == std::vector<int>{2});
  REQUIRE(out.size() == 3);
  for (auto& x : out)
    CHECK((code(x) == ec::timeout) == (x.ticket == late || x.ticket == gone));
  CHECK(q.waiting() == 0);
}

TEST_CASE("a full queue refuses the newest of the lowest level, not what moved up") {
  queue_limits limits;
  limits.bound = 3;
  queue q{by_value(), limits};
  queue::answers out;
  q.submit(ask(1, priority::low), 0, out);
  q.submit(ask(2, priority::low), 0, out);
  q.submit(ask(2, priority::high), 0, out); // moves 2 up
  CHECK(out.empty());
  auto third = q.submit(ask(3, priority::low), 0, out);
  REQUIRE(out.size() == 1);
  CHECK(out[0].ticket == third);
  q.submit(ask(4, priority::critical), 0, out); // takes the place that 2 left below
  CHECK(out.size() == 1);
  auto first = q.submit(ask(5, priority::critical), 0, out);
  CHECK(out.size() == 2);
  CHECK(code(out[1]) == ec::overloaded);
  CHECK(out[1].ticket != first);
  doubler operation{q};
  operation.run_all(out);
  std::set<int> run(operation.batches.at(0).begin(), operation.batches.at(0).end());
  CHECK(run == std::set<int>{2, 4, 5});
}

TEST_CASE("similar items lie side by side, and a batch ends where its cost does") {
  auto keys = by_value();
  keys.cost = [](const int& x) { return x >= 100 ? 10.0 : 1.0; };
  queue q{keys};
  queue::answers out;
  for (auto x : {11, 22, 31, 42, 51, 100, 62})
    q.submit(ask(x), 0, out);
  auto x = q.cut(50, 6, 0, out);
  std::vector<int> items;
  for (auto* y : x.items)
    items.push_back(*y);
  CHECK(items == std::vector<int>{100, 11, 31, 51, 22, 42});
  CHECK(q.waiting() == 1);
}

TEST_CASE("a cancelled item is not run unless somebody else wants it") {
  queue q{by_value()};
  queue::answers out;
  auto alone = q.submit(ask(1), 0, out);
  auto one = q.submit(ask(2), 0, out);
  auto other = q.submit(ask(2), 0, out);
  CHECK(q.cancel(alone));
  CHECK(q.cancel(one));
  CHECK_FALSE(q.cancel(one));
  doubler operation{q};
  operation.run_all(out);
  CHECK(operation.batches == std::vector<std::vector<int>>{{2}});
  REQUIRE(out.size() == 1);
  CHECK(out[0].ticket == other);
}

TEST_CASE("under any order of calls each request has one right answer") {
  splitmix random{11};
  for (int round = 0; round < 300; ++round) {
    queue_limits limits;
    limits.bound = 1 + random() % 40;
    queue q{by_value(), limits};
    queue::answers out;
    doubler operation{q};
    std::map<uint64_t, int> asked;
    std::set<uint64_t> cancelled;
    int64_t now = 0;
    for (int step = 0; step < 200; ++step) {
      now += static_cast<int64_t>(random() % 3);
      switch (random() % 5) {
      case 0:
        operation.run(out, 1 + random() % 10, now);
        break;
      case 1:
        if (auto x = 1 + random() % 200; asked.contains(x) && q.cancel(x))
          cancelled.insert(x);
        break;
      default: {
        auto value = static_cast<int>(random() % 40) - 2;
        auto deadline = random() % 4 == 0 ? now + static_cast<int64_t>(random() % 20) : 0;
        asked[q.submit(ask(value, static_cast<priority>(random() % 5), deadline), now, out)] =
            value;
      }
      }
    }
    operation.run_all(out);
    CHECK(q.waiting() == 0);
    CHECK(q.running() == 0);
    std::set<uint64_t> answered;
    for (auto& x : out) {
      CHECK(answered.insert(x.ticket).second);
      CHECK_FALSE(cancelled.contains(x.ticket));
      auto value = asked.at(x.ticket);
      if (auto* y = std::get_if<int>(&x.what))
        CHECK(*y == 2 * value);
      else
        CHECK((code(x) != ec::internal || value < 0));
    }
    CHECK(answered.size() + cancelled.size() == asked.size());
  }
}
