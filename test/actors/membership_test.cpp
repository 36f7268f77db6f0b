#include "actors/membership.hpp"

#include <algorithm>
#include <map>

#include "test/fixture.hpp"
#include "test/memory_cluster.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

constexpr uint32_t partitions = 12;

/// What a listener has heard. It drains in no time, unless it `holds`.
struct heard {
  std::map<uint32_t, ownership> places;
  std::vector<cluster_member> members;
  std::vector<std::pair<uint32_t, uint64_t>> held;
  bool holds = false;
  membership_actor to;

  size_t owned() const {
    return static_cast<size_t>(std::ranges::count_if(
        places, [](const auto& x) { return x.second.is == ownership::state::owned; }));
  }
};

cluster_client_actor::behavior_type
listener(caf::stateful_actor<caf::unit_t, base_actor<cluster_client_actor::base>>* self,
         heard* into) {
  return {
      [self, into](const context&, atom::ownership, const std::vector<ownership>& changes) {
        for (auto& x : changes) {
          into->places[x.partition] = x;
          if (x.is != ownership::state::releasing)
            continue;
          if (into->holds)
            into->held.emplace_back(x.partition, x.epoch);
          else
            self->send<caf::message_priority::high>(into->to, context{}, atom::flushed_v,
                                                    x.partition, x.epoch);
        }
      },
      [into](const context&, atom::members, const std::vector<cluster_member>& members) {
        into->members = members;
      },
  };
}

/// Some nodes' MEMBERSHIPs in one system, with one database.
struct cluster_of {
  struct one {
    heard told;
    membership_actor actor;
    std::shared_ptr<fence> writes;
    std::shared_ptr<serving_lease> serving = std::make_shared<serving_lease>();
    std::optional<failure> gave_up;
  };

  explicit cluster_of(size_t count, uint64_t seed = 1) : system(seed) {
    db->now = [this] { return nanos() + 12'345'678'900; };
    for (size_t i = 0; i < count; ++i)
      add("n" + std::to_string(i));
    pass(3s);
  }

  ~cluster_of() {
    // Handles of actors in what the actors themselves reach.
    for (auto& [name, x] : nodes)
      x->told.to = nullptr;
  }

  one& add(const std::string& name) {
    auto& x = nodes[name];
    x = std::make_unique<one>();
    membership_setup setup;
    setup.with.name = name;
    setup.with.rebalance.interval = 100ms;
    setup.cluster = {partitions, "ca"};
    setup.self.name = name;
    setup.self.incarnation = name + " 1";
    setup.self.roles = setup.with.roles;
    setup.store = std::make_shared<memory_cluster>(db);
    setup.writes = x->writes = std::make_shared<fence>(setup.self.incarnation);
    setup.serving = x->serving;
    setup.now = [this] { return nanos(); };
    setup.give_up = [to = x.get()](const failure& why) { to->gave_up = why; };
    auto client = system.spawn(listener, &x->told);
    x->actor = system.spawn(membership, std::move(setup), client);
    x->told.to = x->actor;
    return *x;
  }

  int64_t nanos() { return system.scheduler().clock().now().time_since_epoch().count(); }

  void pass(caf::timespan time) {
    for (auto left = time; left.count() > 0; left -= caf::timespan{5ms})
      system.pass(5ms);
  }

  frozen_system system;
  std::shared_ptr<memory_database> db = std::make_shared<memory_database>();
  std::map<std::string, std::unique_ptr<one>> nodes;
};

} // namespace

TEST_CASE("MEMBERSHIPs share the partitions and tell their listeners", "[caf][membership]") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    cluster_of cluster{3, seed};
    for (auto& [name, x] : cluster.nodes) {
      CHECK(x->told.places.size() == partitions);
      CHECK(x->told.owned() == partitions / 3);
      CHECK(x->told.members.size() == 3);
      CHECK(x->serving->holds(cluster.nanos()));
      for (auto& [p, place] : x->told.places)
        CHECK(x->writes->epoch_of(p)
              == (place.is == ownership::state::owned ? std::optional{place.epoch} : std::nullopt));
    }
  }
}

TEST_CASE("MEMBERSHIP releases what was drained, and not before", "[caf][membership]") {
  cluster_of cluster{2};
  auto& x = *cluster.nodes["n0"];
  x.told.holds = true;
  auto progress = cluster.system.ask<drain_progress>(x.actor, context{}, atom::drain_v, "");
  REQUIRE(progress);
  CHECK(progress->left == partitions / 2);
  cluster.pass(1s);
  REQUIRE(x.told.held.size() == partitions / 2);
  CHECK(cluster.nodes["n1"]->told.owned() == partitions / 2);
  for (auto& [p, epoch] : x.told.held) {
    CHECK(x.writes->epoch_of(p) == epoch);
    // An answer for another epoch counts for nothing.
    caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::flushed_v, p, epoch + 1);
  }
  cluster.pass(1s);
  CHECK(cluster.nodes["n1"]->told.owned() == partitions / 2);
  for (auto& [p, epoch] : x.told.held)
    caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::flushed_v, p, epoch);
  cluster.pass(50ms);
  CHECK(cluster.nodes["n1"]->told.owned() == partitions);
  for (auto& [p, epoch] : x.told.held)
    CHECK_FALSE(x.writes->epoch_of(p));
  progress = cluster.system.ask<drain_progress>(x.actor, context{}, atom::drain_v, "n0");
  REQUIRE(progress);
  CHECK(progress->left == 0);
  CHECK_FALSE(cluster.system.ask<drain_progress>(x.actor, context{}, atom::drain_v, "n7"));
}

TEST_CASE("a listener that never drains loses the partition in the end", "[caf][membership]") {
  cluster_of cluster{2};
  auto& x = *cluster.nodes["n0"];
  x.told.holds = true;
  REQUIRE(cluster.system.ask<drain_progress>(x.actor, context{}, atom::drain_v, ""));
  cluster.pass(21s);
  CHECK(cluster.nodes["n1"]->told.owned() == partitions);
  CHECK(x.told.owned() == 0);
}

TEST_CASE("MEMBERSHIP leaves at once, and its view tells where things are", "[caf][membership]") {
  cluster_of cluster{3};
  auto& x = *cluster.nodes["n2"];
  REQUIRE(cluster.system.ask<atom::drained>(x.actor, context{}, atom::leave_v));
  CHECK(x.told.owned() == 0);
  CHECK_FALSE(x.serving->holds(cluster.nanos()));
  cluster.pass(50ms);
  CHECK(cluster.nodes["n0"]->told.owned() + cluster.nodes["n1"]->told.owned() == partitions);
  auto view = cluster.system.ask<cluster_view>(cluster.nodes["n0"]->actor, context{}, atom::list_v);
  REQUIRE(view);
  CHECK(view->node == "n0");
  CHECK(view->members.size() == 2);
  REQUIRE(view->partitions.size() == partitions);
  for (auto& y : view->partitions)
    CHECK((y.owner_live && (y.node == "n0" || y.node == "n1")));
}

TEST_CASE("a quiet cluster asks the database at its heartbeats alone", "[caf][membership]") {
  cluster_of cluster{3};
  cluster.pass(5s);
  auto before = cluster.db->calls;
  cluster.pass(10s);
  CHECK(cluster.db->calls - before <= 3 * 21);
  CHECK(cluster.db->calls - before >= 3 * 19);
  // A suspected node that lives is looked at once, and keeps what it has.
  auto owned = cluster.nodes["n1"]->told.owned();
  caf::anon_send<caf::message_priority::high>(cluster.nodes["n0"]->actor, context{},
                                              atom::suspect_v, "n1");
  before = cluster.db->calls;
  cluster.pass(5ms);
  CHECK(cluster.db->calls - before >= 1);
  before = cluster.db->calls;
  cluster.pass(10s);
  CHECK(cluster.db->calls - before <= 3 * 21);
  CHECK(cluster.nodes["n1"]->told.owned() == owned);
}

TEST_CASE("`rebalance` does not wait between moves", "[caf][membership]") {
  cluster_of cluster{1};
  auto& x = cluster.add("n1");
  cluster.system.run();
  REQUIRE(cluster.system.ask<cluster_view>(x.actor, context{}, atom::rebalance_v));
  cluster.pass(100ms);
  CHECK(x.told.owned() == partitions / 2);
}
