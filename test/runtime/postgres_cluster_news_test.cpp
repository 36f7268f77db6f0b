// Nodes of a cluster in its PostgreSQL: what they are told of each other, and what is in their way.
#include "test/runtime/cluster_schema.hpp"

#include <algorithm>

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("a node that was held up between two looks misses no change", "[postgres_cluster]") {
  cluster_schema in;
  joined_node a{in, "a"};
  a.look();
  // As if it had been committed at once, and looked for half a minute later.
  REQUIRE(in.db
              .run("UPDATE partitions SET epoch = 7, changed = now() - interval '29.8 s' "
                   "WHERE number = 3")
              .ok());
  std::this_thread::sleep_for(400ms);
  auto seen = a.look();
  auto row = std::find_if(seen.partitions.begin(), seen.partitions.end(),
                          [](auto& x) { return x.number == 3; });
  REQUIRE(row != seen.partitions.end());
  CHECK(row->epoch == 7);
}

TEST_CASE("others' changes are told, one's own are not", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  CHECK(in_time([&] { return x.news > 0; }));
  x.look();
  y.look();
  auto before = x.news.load();
  CHECK(y.claim({{1, 0}}).size() == 1);
  CHECK(in_time([&] { return x.news > before; }));
  CHECK(y.news == 0);
  x.look();
  // Looking is no news: neither to others nor to oneself.
  before = x.news;
  for (int i = 0; i < 20; ++i) {
    x.look();
    y.look();
  }
  std::this_thread::sleep_for(50ms);
  CHECK(x.news == before);
  CHECK(y.news == 0);
}

TEST_CASE("a lost connection is opened again, and news come again", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  x.look();
  auto ended = in.db.run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
      "AND application_name = current_setting('application_name')");
  REQUIRE(ended.rows() >= 2);
  CHECK(in_time([&] { return x.store.look(true, {}).engaged(); }));
  CHECK(in_time([&] { return y.store.look(true, {}).engaged(); }));
  CHECK(x.look().partitions.size() <= partitions);
  auto before = x.news.load();
  CHECK(y.claim({{1, 0}}).size() == 1);
  CHECK(in_time([&] { return x.news > before; }));
}

TEST_CASE("a name that is in use is waited for, or left alone", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"};
  CHECK(x.claim({{1, 0}}).size() == 1);
  postgres_cluster again{in.to, 2s, in.io};
  auto self = in.node("x", 2);
  auto outcome = again.join({partitions, "ca"}, self, 5s);
  REQUIRE(outcome);
  CHECK(outcome->wait > 0);
  CHECK(outcome->wait <= 30'000'000'000);
  CHECK(outcome->holder == x.self.incarnation);
  CHECK(outcome->where == x.self.link);
  in.lapse("x");
  outcome = again.join({partitions, "ca"}, self, 5s);
  REQUIRE(outcome);
  CHECK(outcome->wait == 0);
  CHECK_FALSE(x.look().known);
  std::vector<partition_epoch> one{{1, 1}};
  CHECK(again.claim(one)->size() == 1);
  // After a clean end the name is free at once.
  REQUIRE_FALSE(again.leave());
  joined_node third{in, "x", 30s, 3};
}

TEST_CASE("a node of another cluster or of a far release is refused", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"};
  postgres_cluster store{in.to, 2s, in.io};
  auto self = in.node("y");
  auto refused = [&](const cluster_identity& cluster, const char* part) {
    auto outcome = store.join(cluster, self, 1s);
    REQUIRE_FALSE(outcome);
    auto why = to_failure(outcome.error());
    CHECK(why.code == ec::invalid);
    INFO(why.message);
    CHECK(why.message.find(part) != std::string::npos);
  };
  refused({128, "ca"}, "node.partitions");
  refused({partitions, "another"}, "CA");
  self.protocol = 5;
  refused({partitions, "ca"}, "version");
  self.protocol = 4;
  CHECK(store.join({partitions, "ca"}, self, 1s));
  CHECK(x.look().members.size() == 2);
}

TEST_CASE("a claim does not wait for a row that a stopped process has locked",
          "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"};
  postgres::connection stuck;
  REQUIRE_FALSE(stuck.open(in.to));
  postgres::transaction open{stuck};
  REQUIRE(open.begin().ok());
  REQUIRE(stuck.run("SELECT FROM partitions WHERE number = 2 FOR SHARE").ok());
  CHECK(x.claim({{1, 0}, {2, 0}, {3, 0}}).size() == 2);
  REQUIRE(open.commit().ok());
  CHECK(x.claim({{2, 0}}).size() == 1);
}

TEST_CASE("a database that cannot be reached fails in time", "[postgres_cluster]") {
  reactor io;
  postgres_cluster store{{"postgresql://sotto@/none?host=/nowhere", "s"}, 400ms, io};
  auto joined = store.join({partitions, "ca"}, cluster_node{}, 1s);
  REQUIRE_FALSE(joined);
  CHECK(to_failure(joined.error()).code == ec::unavailable);
  CHECK_FALSE(store.look(true, {}));
  CHECK(store.leave());
}
