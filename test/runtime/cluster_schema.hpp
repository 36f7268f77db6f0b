#pragma once

#include <atomic>
#include <thread>

#include "runtime/postgres_cluster.hpp"
#include "runtime/postgres_migrations.hpp"
#include "test/postgres_fixture.hpp"

namespace sotto::test {

inline constexpr uint32_t partitions = 256;

/// The tables of a cluster, in a schema of its own.
struct cluster_schema : own_schema {
  cluster_schema() {
    if (auto why = open())
      FAIL(why.message);
    if (auto why = migrate(db, partitions))
      FAIL(why.message);
    db.run("SET search_path TO " + postgres::quoted_name(to.schema));
  }

  // Told by the schema's name, so that a test that ends connections ends its own alone.
  failure open() {
    to.application = to.schema;
    return db.open(to);
  }

  cluster_node node(const std::string& name, int run = 1) const {
    cluster_node x;
    x.name = name;
    x.incarnation = fmt::format("00000000-0000-4000-8000-{:06}{:06}",
                                std::hash<std::string>{}(name) % 1'000'000, run);
    x.link = name + ":7710";
    x.http = "http://" + name;
    x.native = name + ":7801";
    x.roles = {"gateway", "worker"};
    x.capacity = 1.5;
    x.version = "0.1.0";
    x.protocol = 3;
    return x;
  }

  /// Ends a node's lease now, however slow the machine is.
  void lapse(const char* name) {
    auto done = db.run({"UPDATE nodes SET seen = now() - lease WHERE name = $1"},
                       postgres::parameters{}.text(name));
    REQUIRE(done.ok());
  }

  postgres::connection db;
  reactor io;
};

inline std::vector<partition_epoch> all_at(uint64_t epoch) {
  std::vector<partition_epoch> x;
  for (uint32_t p = 0; p < partitions; ++p)
    x.push_back({p, epoch});
  return x;
}

/// One node's way in.
struct joined_node {
  joined_node(cluster_schema& in, const std::string& name,
              caf::timespan lease = std::chrono::seconds{30}, int run = 1)
      : self(in.node(name, run)), store(in.to, std::chrono::seconds{4}, in.io) {
    store.on_change([this] { ++news; });
    auto joined = store.join({partitions, "ca"}, self, lease);
    if (!joined)
      FAIL(to_failure(joined.error()).message);
    CHECK(joined->wait == 0);
  }

  cluster_look look(bool renew = true) {
    auto x = store.look(renew, load);
    if (!x)
      FAIL(to_failure(x.error()).message);
    return std::move(*x);
  }

  std::vector<partition_epoch> claim(const std::vector<partition_epoch>& wish) {
    auto x = store.claim(wish);
    if (!x)
      FAIL(to_failure(x.error()).message);
    return std::move(*x);
  }

  cluster_node self;
  cluster_load load;
  std::atomic<int> news{0};
  postgres_cluster store;
};

/// Waits for what another thread does.
template <class F>
bool in_time(F done) {
  for (int i = 0; i < 500 && !done(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return done();
}

} // namespace sotto::test
