#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include <catch2/catch.hpp>

#include "actors/membership_core.hpp"
#include "runtime/random.hpp"
#include "test/memory_cluster.hpp"

namespace sotto::test::simulated {

inline constexpr int64_t ms = 1'000'000;
inline constexpr int64_t second = 1000 * ms;
inline constexpr uint32_t partitions = 48;

inline cluster_options fast() {
  cluster_options x;
  x.rebalance.interval = std::chrono::milliseconds{200};
  return x;
}

/// What goes wrong, as shares of all calls; the times of the rest are below 2 ms.
struct trouble {
  double lost = 0, slow = 0, stopped = 0;
};

/// A cluster in simulated time. While a node waits for the database the others go on: time passes
/// inside its call.
class simulation {
public:
  struct machine {
    std::string name;
    /// Its clock: offset and rate.
    int64_t offset = 0;
    double rate = 1;
    cluster_options with;
    std::shared_ptr<memory_cluster> store;
    std::unique_ptr<membership_core> core;
    std::optional<failure> gave_up;
    int64_t next = 0;
    bool up = false, busy = false, cut = false;
    int64_t paused_until = 0;
    /// Partitions to flush: when, which, under which epoch.
    std::multimap<int64_t, std::pair<uint32_t, uint64_t>> flushes;
    std::vector<cluster_member> members;
    std::map<uint32_t, ownership> told;
    int runs = 0;
  };

  simulation(uint64_t seed, size_t count) : random_(seed) {
    db = std::make_shared<memory_database>();
    db_offset = static_cast<int64_t>(random_() % (1000 * second));
    db->now = [this] { return now + db_offset; };
    for (size_t i = 0; i < count; ++i) {
      auto& x = machines.emplace_back(std::make_unique<machine>());
      x->name = "n" + std::to_string(i);
      x->offset = static_cast<int64_t>(random_() % (1000 * second));
      x->rate = 1 + (static_cast<double>(random_() % 200) - 100) * 1e-5;
      x->with = fast();
    }
  }

  void start(machine& x) {
    x.up = true;
    x.gave_up.reset();
    x.told.clear();
    x.flushes.clear();
    x.next = now;
    x.paused_until = 0;
    x.store = std::make_shared<memory_cluster>(db);
    x.store->fault = [this, &x] { return call(x); };
    x.store->on_change([this, &x] {
      x.core->changed();
      x.next = std::min(x.next, now + 2 * ms);
    });
    membership_setup setup;
    setup.with = x.with;
    setup.cluster = {partitions, "ca"};
    setup.self.name = x.name;
    setup.self.incarnation = x.name + "/" + std::to_string(++x.runs);
    setup.self.roles = x.with.roles;
    setup.self.capacity = x.with.capacity;
    setup.store = x.store;
    setup.writes = std::make_shared<fence>(setup.self.incarnation);
    setup.serving = std::make_shared<serving_lease>();
    setup.now = [this, &x] { return clock_of(x); };
    setup.give_up = [&x](const failure& why) { x.gave_up = why; };
    x.core = std::make_unique<membership_core>(
        std::move(setup),
        membership_core::listener{
            [this, &x](std::vector<ownership> changes) { hear(x, changes); },
            [&x](const std::vector<cluster_member>& members) { x.members = members; }});
  }

  void kill(machine& x) {
    x.up = false;
    db->listeners.erase(x.store.get());
  }

  int64_t clock_of(const machine& x) const {
    return x.offset + static_cast<int64_t>(static_cast<double>(now) * x.rate);
  }

  /// Lets everybody but those who wait go on.
  void run(int64_t time) {
    auto until = now + time;
    for (;;) {
      machine* first = nullptr;
      for (auto& x : machines)
        if (x->up && !x->busy && (!first || due(*x) < due(*first)))
          first = x.get();
      if (!first || due(*first) > until)
        break;
      now = std::max(now, due(*first));
      step(*first);
    }
    now = std::max(now, until);
    check();
  }

  /// At most one serves a partition, whatever anybody believes.
  void check() {
    for (uint32_t p = 0; p < partitions; ++p) {
      auto serving = std::ranges::count_if(
          machines, [p](const auto& x) { return x->up && x->core && x->core->serves(p); });
      if (serving > 1)
        FAIL("partition " << p << " is served by " << serving << " at " << now / ms << " ms");
    }
  }

  size_t served() const {
    size_t result = 0;
    for (uint32_t p = 0; p < partitions; ++p)
      result +=
          std::ranges::any_of(machines, [p](const auto& x) { return x->up && x->core->serves(p); });
    return result;
  }

  size_t served_by(const machine& x) const {
    size_t result = 0;
    for (uint32_t p = 0; p < partitions; ++p)
      result += x.up && x.core->serves(p) ? 1 : 0;
    return result;
  }

  uint64_t epochs() const {
    uint64_t sum = 0;
    for (auto& x : db->partitions)
      sum += x.epoch;
    return sum;
  }

  /// Nanoseconds until everything is served; at most `limit`.
  int64_t until_all_served(int64_t limit) {
    auto from = now;
    while (now < from + limit && served() < partitions)
      run(10 * ms);
    return now - from;
  }

  double chance() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  uint64_t pick(uint64_t n) { return random_() % n; }

  std::shared_ptr<memory_database> db;
  std::vector<std::unique_ptr<machine>> machines;
  int64_t now = 0;
  int64_t db_offset = 0;
  bool db_gone = false;
  trouble faults;
  int64_t flush_time = 5 * ms;

private:
  int64_t due(const machine& x) const {
    auto next = x.next;
    if (!x.flushes.empty())
      next = std::min(next, x.flushes.begin()->first);
    return std::max(next, x.paused_until);
  }

  void step(machine& x) {
    while (!x.flushes.empty() && x.flushes.begin()->first <= now) {
      auto [p, epoch] = x.flushes.begin()->second;
      x.flushes.erase(x.flushes.begin());
      x.core->flushed(p, epoch);
    }
    x.busy = true;
    x.next = INT64_MAX;
    auto wait = x.core->step();
    x.busy = false;
    x.next = std::min(x.next, now + std::max<int64_t>(wait, 10'000));
    if (x.gave_up)
      kill(x);
    check();
  }

  bool call(machine& x) {
    // Long waits do not nest, so that no node waits for longer than the margin because others do.
    auto slow = depth_ == 0;
    ++depth_;
    auto half = x.with.margin.count() / 2;
    bool fine = !db_gone && !x.cut;
    if (slow && chance() < faults.stopped)
      run(static_cast<int64_t>(pick(8 * second)));
    else if (db_gone)
      run(static_cast<int64_t>(pick(20 * ms)));
    else if (slow && (x.cut || chance() < faults.slow))
      run(static_cast<int64_t>(pick(half)));
    else
      run(static_cast<int64_t>(pick(ms)));
    --depth_;
    return fine && !db_gone && !x.cut && chance() >= faults.lost && x.up;
  }

  void hear(machine& x, const std::vector<ownership>& changes) {
    for (auto& change : changes) {
      auto& before = x.told[change.partition];
      if (change.is == ownership::state::owned) {
        auto& last = owned_epochs_[change.partition];
        if (change.epoch <= last)
          FAIL("epoch " << change.epoch << " of partition " << change.partition << " after "
                        << last);
        last = change.epoch;
      }
      if (change.is == ownership::state::releasing) {
        REQUIRE(before.is == ownership::state::owned);
        x.flushes.emplace(now + 1 + static_cast<int64_t>(pick(flush_time)),
                          std::pair{change.partition, change.epoch});
      }
      before = change;
    }
  }

  splitmix random_;
  int depth_ = 0;
  std::map<uint32_t, uint64_t> owned_epochs_;
};

} // namespace sotto::test::simulated
