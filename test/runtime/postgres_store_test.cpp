// What the store in PostgreSQL does besides (store_test.cpp).
#include <thread>

#include "messages/partition.hpp"
#include "runtime/postgres_migrations.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

constexpr auto ours = "00000000-0000-0000-0000-00000000000a",
               theirs = "00000000-0000-0000-0000-00000000000b";

/// A look into a schema from outside.
struct outside {
  explicit outside(const own_schema& own) {
    if (auto why = db.open(own.to))
      FAIL(why.message);
  }
  postgres::result run(const std::string& sql) {
    auto x = db.run(sql);
    if (!x.ok())
      FAIL(x.why().message);
    return x;
  }
  /// As MEMBERSHIP claims a partition.
  void claim(uint32_t partition, const char* incarnation) {
    run(fmt::format("UPDATE partitions SET incarnation = '{}', epoch = epoch + 1 WHERE number = {}",
                    incarnation, partition));
  }
  postgres::connection db;
};

store_write under(uint64_t epoch, store_write x) {
  x.epoch = epoch;
  return x;
}

uint32_t home(const std::string& owner) {
  return partition_of({"acme", owner}, 256);
}

/// Two names of owners in different partitions.
const std::string ann = "ann", bob = "bob";

} // namespace

TEST_CASE("several nodes may make the schema at once") {
  own_schema own;
  std::vector<std::thread> nodes;
  std::array<failure, 6> results;
  for (auto& why : results)
    nodes.emplace_back([&] {
      postgres::connection db;
      why = db.open(own.to);
      if (!why)
        why = migrate(db, 256);
    });
  for (auto& x : nodes)
    x.join();
  for (auto& why : results)
    CHECK(why.message.empty());
  outside look{own};
  CHECK(look.run("SELECT count(*) FROM partitions").number(0, 0) == 256);
  CHECK(look.run("SELECT count(*) FROM cluster").number(0, 0) == 1);
}

TEST_CASE("a schema that is not ours to use is refused and left as it is") {
  own_schema own;
  outside look{own};
  SECTION("newer") {
    open(in(own))->close();
    look.run("UPDATE schema_version SET version = 1000");
    CHECK(refusal(in(own)).message.find("newer release (schema 1000") != std::string::npos);
  }
  SECTION("divided otherwise") {
    open(in(own))->close();
    auto options = in(own);
    options.partitions = 64;
    CHECK(refusal(options).message.find("256 partitions") != std::string::npos);
  }
  SECTION("another program's") {
    look.run("CREATE SCHEMA " + own.to.schema);
    look.run("CREATE TABLE owners(name text)");
    CHECK(refusal(in(own)).message.find("another program's") != std::string::npos);
    CHECK(look.run("SELECT * FROM pg_tables WHERE schemaname = current_schema()").rows() == 1);
  }
}

TEST_CASE("a store without a fence is one node's alone") {
  own_schema own;
  auto options = in(own);
  options.write_patience = 50ms;
  auto db = open(options);
  CHECK(refusal(options).message.find("another node uses the schema") != std::string::npos);
  db->close();
  open(in(own));
}

TEST_CASE("lines of groups in an older schema get their authors") {
  own_schema own;
  {
    auto db = open(in(own));
    auto group = insert("channel:den", {row(1, "a"), row(2, "b"), row(3, "c")});
    group.memories[1].own = group.memories[2].own = true;
    REQUIRE_FALSE(apply(*db, group));
    REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  }
  outside{own}.run("ALTER TABLE memories DROP COLUMN author; ALTER TABLE nodes DROP COLUMN native; "
                   "DROP TABLE departures; UPDATE schema_version SET version = 1");
  auto db = open(in(own));
  CHECK(load(*db, "channel:den").authors == std::vector<std::string>{"ann", "ann", ""});
  CHECK(load(*db, "u").authors.empty());
}

TEST_CASE("a write of a partition that was claimed elsewhere changes nothing, its neighbours are "
          "stored") {
  REQUIRE(home(ann) != home(bob));
  own_schema own;
  auto mine = std::make_shared<fence>(ours);
  auto db = open(in(own), mine);
  outside look{own};
  look.claim(home(ann), ours);
  look.claim(home(bob), ours);
  mine->allow(home(ann), 1);
  CHECK(apply(*db, under(1, insert(bob, {row(1, "early")}))).code == ec::unavailable);
  mine->allow(home(bob), 1);
  CHECK_FALSE(apply(*db, under(1, insert(bob, {row(1, "a")}))));

  look.claim(home(bob), theirs);
  std::vector<store_write> batch{under(1, insert(ann, {row(1, "a")})),
                                 under(1, insert(bob, {row(2, "stale")})),
                                 under(1, insert(ann, {row(1, "twice")})),
                                 under(1, insert(ann, {row(2, "b")})), under(1, forget(bob))};
  auto results = db->apply(batch);
  CHECK_FALSE(results[0]);
  CHECK(results[1].code == ec::unavailable);
  CHECK(results[1].message.find("moved") != std::string::npos);
  CHECK(results[2].code == ec::invalid);
  CHECK_FALSE(results[3]);
  CHECK(results[4].code == ec::unavailable);
  CHECK(ids(load(*db, ann)) == std::vector<std::string>{"a", "b"});
  CHECK(ids(load(*db, bob)) == std::vector<std::string>{"a"});

  // Ours again, under another epoch than the writer believes.
  look.claim(home(bob), ours);
  CHECK(apply(*db, under(1, insert(bob, {row(2, "stale")}))).code == ec::unavailable);
  mine->allow(home(bob), 3);
  // Made before, and on its way for long: who serves it now has read what is there without it.
  CHECK(apply(*db, under(1, insert(bob, {row(2, "stale")}))).code == ec::unavailable);
  CHECK_FALSE(apply(*db, under(3, insert(bob, {row(2, "fresh")}))));
  mine->forbid_all();
  CHECK(apply(*db, under(3, insert(bob, {row(3, "stale")}))).code == ec::unavailable);
  CHECK(ids(load(*db, bob)) == std::vector<std::string>{"a", "fresh"});
}

TEST_CASE("a claim waits for the transaction that writes the partition") {
  own_schema own;
  auto mine = std::make_shared<fence>(ours);
  auto db = open(in(own), mine);
  outside look{own}, other{own};
  look.claim(home(ann), ours);
  mine->allow(home(ann), 1);
  // The writer holds its partition and waits for a lock of ours.
  look.run("BEGIN; LOCK TABLE memories IN SHARE MODE");
  failure why;
  std::thread writer{[&] { why = apply(*db, under(1, insert(ann, {row(1, "a")}))); }};
  auto waits = [&] {
    return other
               .run("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                    "'memories'::regclass")
               .number(0, 0)
           > 0;
  };
  while (!waits())
    std::this_thread::yield();
  other.run("SET lock_timeout = '100ms'");
  CHECK(other.db.run("UPDATE partitions SET epoch = 2 WHERE epoch = 1").state() == "55P03");
  look.run("COMMIT");
  writer.join();
  CHECK_FALSE(why);
  other.claim(home(ann), theirs);
  CHECK(apply(*db, under(1, insert(ann, {row(2, "stale")}))).code == ec::unavailable);
  CHECK(ids(load(*db, ann)) == std::vector<std::string>{"a"});
}
