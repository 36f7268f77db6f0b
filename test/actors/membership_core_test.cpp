#include "actors/membership_core.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <catch2/catch.hpp>

#include "runtime/random.hpp"
#include "test/memory_cluster.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

constexpr int64_t ms = 1'000'000;
constexpr int64_t second = 1000 * ms;
constexpr uint32_t partitions = 48;

cluster_options fast() {
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

void start_all(simulation& sim) {
  for (auto& x : sim.machines)
    sim.start(*x);
  sim.run(5 * second);
}

} // namespace

TEST_CASE("nodes that start together share the partitions", "[membership]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    simulation sim{seed, 3 + seed % 3};
    start_all(sim);
    CHECK(sim.served() == partitions);
    for (auto& x : sim.machines) {
      CHECK(sim.served_by(*x) >= partitions / sim.machines.size());
      CHECK(x->members.size() == sim.machines.size());
    }
    // And then they leave everything as it is.
    auto before = sim.epochs();
    sim.run(60 * second);
    CHECK(sim.epochs() == before);
  }
}

TEST_CASE("everybody is told where everything is", "[membership]") {
  simulation sim{3, 3};
  start_all(sim);
  for (uint32_t p = 0; p < partitions; ++p) {
    auto& row = sim.db->partitions[p];
    for (auto& x : sim.machines) {
      auto& told = x->told[p];
      CHECK(told.epoch == row.epoch);
      if (x->name == row.node)
        CHECK(told.is == ownership::state::owned);
      else
        CHECK((told.is == ownership::state::elsewhere && told.node == row.node));
    }
  }
}

TEST_CASE("what a killed node had is served again within its lease and a heartbeat",
          "[membership]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    simulation sim{seed, 3};
    start_all(sim);
    auto& dead = *sim.machines[sim.pick(3)];
    auto before = sim.epochs();
    auto had = sim.served_by(dead);
    sim.run(static_cast<int64_t>(sim.pick(second)));
    sim.kill(dead);
    auto took = sim.until_all_served(10 * second);
    CHECK(took <= 3 * second + 100 * ms);
    // Nothing else moved.
    CHECK(sim.epochs() == before + had);
    sim.run(5 * second);
    CHECK(sim.epochs() == before + had);
  }
}

TEST_CASE("a planned drain empties a node, with every partition away for milliseconds",
          "[membership]") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    simulation sim{seed, 3};
    start_all(sim);
    auto& x = *sim.machines[1];
    REQUIRE(x.core->drain("", true));
    x.next = sim.now;
    int64_t longest = 0;
    std::map<uint32_t, int64_t> since;
    for (int i = 0; i < 1000 && sim.served_by(x) > 0; ++i) {
      sim.run(2 * ms);
      for (uint32_t p = 0; p < partitions; ++p) {
        auto served =
            std::ranges::any_of(sim.machines, [p](const auto& m) { return m->core->serves(p); });
        if (served)
          since.erase(p);
        else
          longest = std::max(longest, sim.now - since.try_emplace(p, sim.now).first->second);
      }
    }
    CHECK(sim.served_by(x) == 0);
    CHECK(longest <= 100 * ms);
    auto progress = x.core->drain("", true);
    REQUIRE(progress);
    sim.run(second);
    CHECK(sim.served() == partitions);
    // Taken back, it gets its share again.
    REQUIRE(x.core->drain("", false));
    sim.run(10 * second);
    CHECK(sim.served_by(x) == partitions / 3);
  }
}

TEST_CASE("one node may drain another by name, and leaving frees everything at once",
          "[membership]") {
  simulation sim{4, 3};
  start_all(sim);
  auto progress = sim.machines[0]->core->drain("n2", true);
  REQUIRE(progress);
  CHECK(progress->left == partitions / 3);
  CHECK(progress->why.empty());
  CHECK_FALSE(sim.machines[0]->core->drain("nobody", true));
  sim.run(5 * second);
  CHECK(sim.served_by(*sim.machines[2]) == 0);
  sim.machines[1]->core->leave();
  CHECK(sim.until_all_served(second) <= 100 * ms);
  CHECK(sim.served_by(*sim.machines[0]) == partitions);
  CHECK(sim.db->nodes.size() == 2);
}

TEST_CASE("the last node keeps what it cannot give away, and says so", "[membership]") {
  simulation sim{1, 1};
  start_all(sim);
  auto progress = sim.machines[0]->core->drain("", true);
  REQUIRE(progress);
  CHECK_FALSE(progress->why.empty());
  sim.run(5 * second);
  CHECK(sim.served() == partitions);
}

TEST_CASE("a node without the role of a worker owns nothing", "[membership]") {
  simulation sim{1, 2};
  sim.machines[0]->with.roles = {"gateway"};
  start_all(sim);
  CHECK(sim.served_by(*sim.machines[0]) == 0);
  CHECK(sim.served_by(*sim.machines[1]) == partitions);
}

TEST_CASE("a node stopped for longer than its lease serves nothing and gives up", "[membership]") {
  simulation sim{7, 3};
  start_all(sim);
  auto& x = *sim.machines[2];
  x.paused_until = sim.now + 10 * second;
  sim.run(10 * second - ms);
  CHECK(sim.served() == partitions);
  CHECK(sim.served_by(x) == 0);
  sim.run(second);
  REQUIRE(x.gave_up);
  CHECK(x.gave_up->code == ec::unavailable);
  // Its successor takes the name over at once, the lease being long over.
  sim.start(x);
  sim.run(10 * second);
  CHECK(sim.served_by(x) == partitions / 3);
}

TEST_CASE("without the database everybody stops in time, and goes on when it is back",
          "[membership]") {
  simulation sim{8, 3};
  start_all(sim);
  auto before = sim.epochs();
  // A restart of the database: nobody loses anything.
  sim.db_gone = true;
  sim.run(1200 * ms);
  CHECK(sim.served() == partitions);
  sim.db_gone = false;
  sim.run(5 * second);
  CHECK(sim.epochs() == before);
  auto rows = sim.db->partitions;
  sim.db_gone = true;
  sim.run(4 * second);
  CHECK(sim.served() == 0);
  for (auto& x : sim.machines) {
    CHECK_FALSE(x->gave_up);
    for (auto& [p, told] : x->told)
      CHECK(told.is != ownership::state::owned);
  }
  sim.db_gone = false;
  CHECK(sim.until_all_served(5 * second) <= second);
  // Each is back where it was, whoever came back first, and under the next epoch.
  sim.run(5 * second);
  for (uint32_t p = 0; p < partitions; ++p) {
    CHECK(sim.db->partitions[p].node == rows[p].node);
    CHECK(sim.db->partitions[p].epoch == rows[p].epoch + 1);
  }
}

TEST_CASE("one node cut off from the database stops before others take over", "[membership]") {
  simulation sim{9, 3};
  start_all(sim);
  auto& x = *sim.machines[0];
  x.cut = true;
  sim.run(2 * second);
  CHECK(sim.served() >= partitions * 2 / 3);
  sim.run(2 * second);
  CHECK(sim.served_by(x) == 0);
  CHECK(sim.served() == partitions);
  CHECK_FALSE(x.gave_up);
  x.cut = false;
  sim.run(10 * second);
  CHECK(sim.served_by(x) == partitions / 3);
}

TEST_CASE("a second process of the same name is refused, a restarted one waits for the lease",
          "[membership]") {
  simulation sim{5, 2};
  start_all(sim);
  sim.machines[1]->with = sim.machines[0]->with;
  auto twin = std::make_unique<simulation::machine>();
  twin->name = "n0";
  twin->runs = 100;
  twin->with = fast();
  auto& x = *sim.machines.emplace_back(std::move(twin));
  sim.start(x);
  sim.run(10 * second);
  REQUIRE(x.gave_up);
  CHECK(x.gave_up->code == ec::invalid);
  CHECK(x.gave_up->message.find("cluster.name") != std::string::npos);
  CHECK(sim.served() == partitions);
  sim.kill(*sim.machines[0]);
  sim.start(x);
  sim.run(10 * second);
  CHECK_FALSE(x.gave_up);
  CHECK(sim.served_by(x) == partitions / 2);
}

TEST_CASE("a hot partition moves away from its neighbours", "[membership]") {
  simulation sim{6, 3};
  start_all(sim);
  auto& x = *sim.machines[0];
  cluster_load load;
  for (uint32_t p = 0; p < partitions && load.hottest.size() < 3; ++p)
    if (x.core->serves(p))
      load.hottest.push_back({p, 0.6});
  load.busy = 1.8;
  x.core->measured(load);
  auto before = sim.epochs();
  sim.run(60 * second);
  auto left = std::ranges::count_if(
      load.hottest, [&](const partition_load& y) { return x.core->serves(y.partition); });
  CHECK(left < 3);
  CHECK(sim.served() == partitions);
  // One goes, a cold one comes back; perhaps twice.
  CHECK(sim.epochs() <= before + 4);
}

TEST_CASE("whatever fails, no partition is served twice, epochs grow, and all comes to rest",
          "[membership]") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    simulation sim{seed, 3 + seed % 3};
    start_all(sim);
    sim.faults = {0.02, 0.05, seed % 2 == 0 ? 0.002 : 0.0};
    for (int i = 0; i < 40; ++i) {
      auto& x = *sim.machines[sim.pick(sim.machines.size())];
      switch (sim.pick(8)) {
      case 0:
      case 1:
        if (x.up && !x.busy)
          sim.kill(x);
        break;
      case 2:
        x.paused_until = sim.now + static_cast<int64_t>(sim.pick(6 * second));
        break;
      case 3:
        sim.db_gone = !sim.db_gone;
        break;
      case 4:
        x.cut = !x.cut;
        break;
      case 5:
        if (x.up && !x.busy && x.core->joined())
          (void)x.core->drain("", sim.pick(2) == 0);
        break;
      case 6:
        if (x.up && !x.busy)
          x.core->suspect(sim.machines[0]->name);
        break;
      default:
        sim.db_gone = false;
      }
      for (auto& y : sim.machines)
        if (!y->up && sim.pick(2) == 0)
          sim.start(*y);
      sim.run(static_cast<int64_t>(sim.pick(2 * second)));
    }
    sim.faults = {};
    sim.db_gone = false;
    for (auto& x : sim.machines) {
      x->cut = false;
      if (!x->up)
        sim.start(*x);
      x->paused_until = 0;
    }
    sim.run(4 * second);
    for (auto& x : sim.machines) {
      if (!x->up)
        sim.start(*x);
    }
    sim.run(4 * second);
    for (auto& x : sim.machines)
      if (x->core->joined())
        (void)x->core->drain("", false);
    CHECK(sim.until_all_served(10 * second) <= 5 * second);
    sim.run(10 * second);
    auto before = sim.epochs();
    sim.run(30 * second);
    CHECK(sim.epochs() == before);
    CHECK(sim.served() == partitions);
    for (auto& x : sim.machines)
      CHECK(sim.served_by(*x) >= partitions / sim.machines.size());
  }
}
