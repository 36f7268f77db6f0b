#include "actors/membership_core.hpp"

#include "test/cluster_simulation.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace sotto::test::simulated;

namespace {

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

TEST_CASE("whoever is suspected serves until its lease ends, and keeps what it has if it lives",
          "[membership]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    simulation sim{seed, 3};
    start_all(sim);
    auto before = sim.epochs();
    auto calls = sim.db->calls;
    // Every link is lost all the time; the database is there.
    for (int i = 0; i < 200; ++i) {
      auto& x = *sim.machines[sim.pick(3)];
      x.core->suspect(sim.machines[sim.pick(3)]->name);
      x.next = sim.now;
      sim.run(50 * ms);
    }
    CHECK(sim.epochs() == before);
    // A look for each suspicion, and the heartbeats.
    CHECK(sim.db->calls - calls <= 200 + 3 * 21);
    auto& dead = *sim.machines[0];
    auto seen = sim.db->nodes[dead.name].seen - sim.db_offset;
    sim.kill(dead);
    auto from = sim.now;
    for (auto* x : {sim.machines[1].get(), sim.machines[2].get()}) {
      x->core->suspect(dead.name);
      x->next = sim.now;
    }
    auto took = sim.until_all_served(10 * second);
    CHECK(from + took >= seen + 3 * second);
    CHECK(from + took <= seen + 3 * second + 50 * ms);
  }
}

TEST_CASE("what could not be claimed at the end of a suspect's lease is tried again soon",
          "[membership]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    simulation sim{seed, 3};
    start_all(sim);
    auto& dead = *sim.machines[0];
    for (uint32_t p = 0; p < partitions; ++p)
      if (dead.core->serves(p))
        sim.db->locked.insert(p);
    sim.kill(dead);
    for (auto* x : {sim.machines[1].get(), sim.machines[2].get()}) {
      x->core->suspect(dead.name);
      x->next = sim.now;
    }
    sim.run(3 * second + static_cast<int64_t>(sim.pick(500 * ms)));
    REQUIRE(sim.served() < partitions);
    sim.db->locked.clear();
    CHECK(sim.until_all_served(10 * second) <= 150 * ms);
    // And then nobody hurries any more.
    auto calls = sim.db->calls;
    sim.run(10 * second);
    CHECK(sim.db->calls - calls <= 2 * 21);
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
