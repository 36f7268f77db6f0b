// Nodes of a cluster in its PostgreSQL: who is there, and who claims what.
#include "test/runtime/cluster_schema.hpp"

#include <algorithm>
#include <map>
#include <mutex>

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("a node joins, is seen with everything it says, and leaves", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  x.load = {1.25, {{7, 0.5}, {9, 0.25}}};
  auto seen = x.look();
  CHECK(seen.known);
  REQUIRE(seen.members.size() == 2);
  REQUIRE(seen.partitions.size() == partitions);
  CHECK(seen.partitions[17].number == 17);
  CHECK(seen.partitions[17].node.empty());
  CHECK(seen.partitions[17].age >= 0);
  auto member = y.look().members[0];
  CHECK(member.name == "x");
  CHECK(member.incarnation == x.self.incarnation);
  CHECK(member.http == x.self.http);
  CHECK(member.link == x.self.link);
  CHECK(member.native == x.self.native);
  CHECK(member.roles == x.self.roles);
  CHECK(member.capacity == 1.5);
  CHECK(member.version == "0.1.0");
  CHECK(member.protocol == 3);
  CHECK(member.live);
  CHECK(member.lease_left > 20'000'000'000);
  CHECK_FALSE(member.draining);
  CHECK(member.load.busy == 1.25);
  REQUIRE(member.load.hottest.size() == 2);
  CHECK(member.load.hottest[1].partition == 9);
  CHECK(x.claim({{3, 0}}).size() == 1);
  REQUIRE_FALSE(x.store.leave());
  auto after = y.look();
  CHECK(after.members.size() == 1);
  CHECK(after.partitions[3].node.empty());
  CHECK(after.partitions[3].epoch == 1);
  CHECK_FALSE(x.look().known);
}

TEST_CASE("three nodes that claim everything at once share it, each partition once",
          "[postgres_cluster]") {
  cluster_schema in;
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<std::unique_ptr<joined_node>> nodes;
    for (auto name : {"a", "b", "c"})
      nodes.push_back(std::make_unique<joined_node>(in, name));
    std::vector<std::vector<partition_epoch>> got(3);
    std::vector<std::thread> threads;
    for (size_t n = 0; n < 3; ++n)
      threads.emplace_back([&, n] {
        // In slices, each node in another order.
        auto wish = all_at(epoch);
        std::rotate(wish.begin(), wish.begin() + static_cast<long>(n * 85), wish.end());
        for (size_t at = 0; at < wish.size(); at += 16)
          if (auto x = nodes[n]->store.claim(std::span{wish}.subspan(at, 16)))
            got[n].insert(got[n].end(), x->begin(), x->end());
      });
    for (auto& x : threads)
      x.join();
    std::map<uint32_t, size_t> owner;
    for (size_t n = 0; n < 3; ++n)
      for (auto& x : got[n]) {
        CHECK(x.epoch == epoch + 1);
        CHECK(owner.try_emplace(x.number, n).second);
      }
    // What was locked in passing is taken in a second round.
    for (auto& x : nodes[0]->claim(all_at(epoch)))
      CHECK(owner.try_emplace(x.number, 0).second);
    CHECK(owner.size() == partitions);
    auto rows = nodes[1]->look().partitions;
    for (auto& row : rows) {
      CHECK(row.node == nodes[owner[row.number]]->self.name);
      CHECK(row.epoch == epoch + 1);
    }
    for (auto& x : nodes)
      REQUIRE_FALSE(x->store.leave());
  }
}

TEST_CASE("what a node holds is claimed when its lease has ended, and not before",
          "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  CHECK(x.claim({{1, 0}, {2, 0}}).size() == 2);
  CHECK(y.claim({{1, 1}}).empty());
  CHECK(y.look().members[0].live);
  in.lapse("x");
  CHECK_FALSE(y.look().members[0].live);
  // Decided on an old epoch; then on the right one.
  CHECK(y.claim({{1, 0}}).empty());
  CHECK(y.claim({{1, 1}}) == std::vector<partition_epoch>{{1, 2}});
  // The node was only held up: it is live again, and has what nobody took under a new epoch.
  CHECK(x.look().known);
  CHECK(x.claim({{1, 1}}).empty());
  CHECK(x.claim({{1, 2}}).empty());
  CHECK(x.claim({{2, 1}}) == std::vector<partition_epoch>{{2, 2}});
  // What it gives back under an old epoch is not given back.
  std::vector<partition_epoch> old{{2, 1}, {1, 2}};
  REQUIRE_FALSE(x.store.release(old));
  auto rows = y.look().partitions;
  CHECK(rows[1].node == "y");
  CHECK(rows[2].node == "x");
}

TEST_CASE("the place of a node whose process is dead is given up for it", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  CHECK(x.claim({{1, 0}, {2, 0}}).size() == 2);
  CHECK(y.claim({{1, 1}, {3, 0}}) == std::vector<partition_epoch>{{3, 1}});
  auto heard = y.news.load();
  postgres_cluster watcher{in.to, 4s, in.io};
  // Of a run that is not there any more, nothing is given up.
  REQUIRE_FALSE(watcher.bury(in.node("x", 2).incarnation));
  CHECK(y.look().members.size() == 2);
  REQUIRE_FALSE(watcher.bury(x.self.incarnation));
  CHECK(in_time([&] { return y.news > heard; }));
  auto look = y.look();
  CHECK(look.members.size() == 1);
  CHECK(look.partitions[1].node.empty());
  CHECK(look.partitions[3].node == "y");
  // Claimed at once, under the next epoch; what the dead has sent before claims nothing any more.
  CHECK(y.claim({{1, 1}, {2, 1}}).size() == 2);
  CHECK(x.claim({{1, 2}, {4, 0}}).empty());
  // The same name, started again, does not wait for a lease.
  joined_node again{in, "x", 30s, 2};
}

TEST_CASE("which nodes are gone, and why, is told for a day", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"}, z{in, "z"}, w{in, "w"};
  auto told = [&] {
    std::map<std::string, std::string> by_name;
    for (auto& gone : w.look().departures)
      by_name[gone.name] += (by_name[gone.name].empty() ? "" : ", ") + gone.why;
    return by_name;
  };
  using list = std::map<std::string, std::string>;
  CHECK(told().empty());
  REQUIRE_FALSE(x.store.leave());
  postgres_cluster watcher{in.to, 4s, in.io};
  REQUIRE_FALSE(watcher.bury(y.self.incarnation));
  in.lapse("z");
  CHECK(told() == list{{"x", "left"}, {"y", "died"}, {"z", "lease lost"}});
  auto latest = w.look().departures;
  CHECK(std::ranges::is_sorted(latest, std::greater{}, &cluster_departure::at));
  CHECK(latest.front().name == "z");
  CHECK(latest.front().at > 1'700'000'000'000'000);
  // It was held up only, and is back: that it was away stays true.
  CHECK(z.look().known);
  CHECK(z.look().members.size() == 2);
  CHECK(told()["z"] == "lease lost");
  // Nobody else told of it before it came back as another process.
  in.lapse("z");
  joined_node again{in, "z", 30s, 2};
  CHECK(told()["z"] == "lease lost, lease lost");
  in.db.run("UPDATE departures SET at = at - interval '1 day' WHERE why = 'died'");
  CHECK_FALSE(told().contains("y"));
  in.db.run("INSERT INTO departures(name, incarnation, why) SELECT 'n', gen_random_uuid(), 'left' "
            "FROM generate_series(1, 3000)");
  CHECK(w.look().departures.size() == 20);
  joined_node last{in, "v"};
  CHECK(in.db.run("SELECT count(*) FROM departures").number(0, 0) <= 1000);
}

TEST_CASE("a node that is not live or is draining claims nothing", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"};
  in.lapse("x");
  CHECK(x.claim({{1, 0}}).empty());
  REQUIRE_FALSE(y.store.drain("y", true));
  CHECK(y.look().members[1].draining);
  CHECK(y.claim({{1, 0}}).empty());
  REQUIRE_FALSE(y.store.drain("y", false));
  CHECK(y.claim({{1, 0}}).size() == 1);
  CHECK(y.store.drain("nobody", true).code == ec::not_found);
}

TEST_CASE("a partition that is asked for is handed over", "[postgres_cluster]") {
  cluster_schema in;
  joined_node x{in, "x"}, y{in, "y"}, z{in, "z"};
  CHECK(x.claim({{5, 0}, {6, 0}}).size() == 2);
  std::vector<partition_epoch> five{{5, 1}}, wrong{{6, 0}, {7, 0}};
  REQUIRE_FALSE(y.store.want(five));
  REQUIRE_FALSE(z.store.want(five));
  REQUIRE_FALSE(y.store.want(wrong));
  auto rows = x.look().partitions;
  CHECK(rows[5].wanted == "y");
  CHECK(rows[6].wanted.empty());
  CHECK(rows[7].wanted.empty());
  // Who asked does not take any more: another may ask.
  REQUIRE_FALSE(z.store.drain("y", true));
  REQUIRE_FALSE(z.store.want(five));
  CHECK(x.look().partitions[5].wanted == "z");
  REQUIRE_FALSE(x.store.release(five));
  CHECK(z.claim({{5, 1}}) == std::vector<partition_epoch>{{5, 2}});
  rows = z.look().partitions;
  CHECK(rows[5].node == "z");
  CHECK(rows[5].wanted.empty());
}
