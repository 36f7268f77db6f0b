#include "runtime/postgres.hpp"

#include "test/postgres_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::string_literals;
using namespace std::string_view_literals;
using namespace std::chrono_literals;

namespace {

struct database {
  database() {
    if (auto why = db.open({postgres_url()}))
      FAIL(why.message);
  }
  postgres::connection db;
};

} // namespace

TEST_CASE("values go to PostgreSQL and come back as they are, in both formats") {
  database x;
  for (auto how : {postgres::format::text, postgres::format::binary}) {
    std::array<int64_t, 2> numbers{-1, INT64_MAX};
    std::array texts{"a"s, "\"{,}\""s};
    auto found = x.db.run({"SELECT $1::int, $2::bigint, $3::text, $4::boolean, $5::text IS NULL, "
                           "$6::bigint[] = ARRAY[-1, 9223372036854775807], $7::text[] = "
                           "ARRAY['a', '\"{,}\"'], $8::float8 = 0.25, -7::smallint"},
                          postgres::parameters{}
                              .text("-5")
                              .number(INT64_MIN)
                              .text("it's")
                              .flag(true)
                              .null()
                              .numbers(numbers)
                              .texts(texts)
                              .real(0.25),
                          how);
    REQUIRE(found.ok());
    REQUIRE(found.rows() == 1);
    CHECK(found.number(0, 0) == -5);
    CHECK(found.number(0, 1) == INT64_MIN);
    CHECK(found.text(0, 2) == "it's");
    for (int i = 3; i < 8; ++i)
      CHECK(found.number(0, i) == 1);
    CHECK(found.number(0, 8) == -7);
  }
  auto bytes = "nul \0 and \xff"sv;
  std::array<std::string_view, 3> strings{bytes, ""sv, std::string_view{}};
  auto found = x.db.run(
      {"SELECT v, v IS NULL FROM unnest($1::bytea[]) WITH ORDINALITY AS x(v, n) ORDER BY n"},
      postgres::parameters{}.byte_strings_or_null(strings), postgres::format::binary);
  REQUIRE(found.rows() == 3);
  CHECK(found.text(0, 0) == bytes);
  CHECK_FALSE(found.null(1, 0));
  CHECK(found.null(2, 0));
}

TEST_CASE("what failed says why, with its SQLSTATE and without values") {
  database x;
  auto wrong = x.db.run("SELECT 1 / 0");
  CHECK(wrong.state() == "22012");
  CHECK(wrong.why().code == ec::storage_failed);
  CHECK_FALSE(wrong.lost());
  CHECK(x.db.alive());
  CHECK(x.db.run("SELECT 1").number(0, 0) == 1);
}

TEST_CASE("queued statements run in order; a failure skips those behind it") {
  database x;
  postgres::statement one{"SELECT $1::bigint + 1", "plus_one"};
  auto add = [&](int64_t n) { x.db.queue(one, postgres::parameters{}.number(n)); };
  for (int round = 0; round < 3; ++round) {
    add(1);
    add(2);
    x.db.queue({"SELECT 1 / (0 * $1::bigint)", "zero"}, postgres::parameters{}.number(1));
    x.db.queue({"SELECT 7", "seven"});
    auto found = x.db.collect();
    REQUIRE(found.size() == 4);
    CHECK(found[0].number(0, 0) == 2);
    CHECK(found[1].number(0, 0) == 3);
    CHECK(found[2].state() == "22012");
    CHECK(found[3].skipped());
  }
  x.db.queue({"SELECT 7", "seven"});
  CHECK(x.db.collect().at(0).number(0, 0) == 7);
  CHECK(x.db.collect().empty());
}

TEST_CASE("much may be queued in both directions at once") {
  database x;
  std::string large(100'000, 'x');
  for (int i = 0; i < 200; ++i)
    x.db.queue({"SELECT $1::text", "echo"}, postgres::parameters{}.text(large));
  auto found = x.db.collect();
  REQUIRE(found.size() == 200);
  for (auto& row : found)
    CHECK(row.text(0, 0).size() == large.size());
}

TEST_CASE("a connection that was ended says so, for everything queued, and can be opened again") {
  database x, other;
  auto end = [&] {
    auto pid = x.db.run("SELECT pg_backend_pid()").number(0, 0);
    // Waits until it is gone.
    REQUIRE(other.db
                .run({"SELECT pg_terminate_backend($1::int, 10000)"},
                     postgres::parameters{}.text(std::to_string(pid)))
                .number(0, 0)
            == 1);
  };
  end();
  x.db.queue({"SELECT 1", "one"});
  x.db.queue({"SELECT 2"});
  auto found = x.db.collect();
  REQUIRE(found.size() == 2);
  CHECK(found[0].lost());
  CHECK(found[1].lost());
  CHECK(found[0].why().code == ec::unavailable);
  CHECK_FALSE(x.db.alive());
  CHECK(x.db.run("SELECT 1").lost());
  REQUIRE_FALSE(x.db.open(x.db.to()));
  x.db.queue({"SELECT 1", "one"});
  CHECK(x.db.collect().at(0).number(0, 0) == 1);
  end();
  CHECK_FALSE(x.db.wait(10s));
  CHECK_FALSE(x.db.alive());
}

TEST_CASE("a server that does not answer in time is given up") {
  postgres::connection db;
  postgres::target to{postgres_url()};
  to.answer_timeout = 50ms;
  REQUIRE_FALSE(db.open(to));
  auto x = db.run("SELECT pg_sleep(60)");
  CHECK(x.lost());
  CHECK(x.why().code == ec::unavailable);
}

TEST_CASE("a transaction is rolled back where it was not committed") {
  own_schema own;
  postgres::connection db;
  REQUIRE_FALSE(db.open(own.to));
  REQUIRE(db.run("CREATE SCHEMA " + own.to.schema).ok());
  REQUIRE(db.run("CREATE TABLE t(n int PRIMARY KEY)").ok());
  {
    postgres::transaction work{db};
    REQUIRE(work.begin().ok());
    REQUIRE(db.run("INSERT INTO t VALUES(1)").ok());
  }
  {
    postgres::transaction work{db};
    REQUIRE(work.begin().ok());
    CHECK(db.run("INSERT INTO t VALUES(2)").changed() == 1);
    CHECK(work.commit().ok());
  }
  {
    postgres::transaction work{db};
    REQUIRE(work.begin().ok());
    CHECK(db.run("INSERT INTO t VALUES(2)").state() == "23505");
    CHECK_FALSE(work.commit().ok());
  }
  CHECK(db.run("SELECT n FROM t").rows() == 1);
}

TEST_CASE("notifications arrive, and waiting for none ends") {
  database x, other;
  REQUIRE_FALSE(x.db.listen("Channel \"one\""));
  CHECK_FALSE(x.db.wait(0ms));
  REQUIRE(other.db.run("NOTIFY \"Channel \"\"one\"\"\", 'hello'").ok());
  auto got = x.db.wait(20s);
  REQUIRE(got);
  CHECK(got->channel == "Channel \"one\"");
  CHECK(got->payload == "hello");
  CHECK(x.db.alive());
}

TEST_CASE("a database that cannot be reached is named, its password is not") {
  postgres::connection db;
  auto why = db.open({"postgresql://ann:se%63ret@127.0.0.1:1/things"});
  CHECK(why.code == ec::unavailable);
  CHECK(why.message.find("things as ann at 127.0.0.1:1") != std::string::npos);
  for (auto url : {"postgresql://ann:secret@127.0.0.1:0x1/things", "postgresql://ann:secret@[::1/x",
                   "host=x secret", "postgresql://ann:secret@h/d?nothing=secret"}) {
    why = db.open({url});
    CHECK(why);
    CHECK(why.message.find("secret") == std::string::npos);
  }
  CHECK(postgres::check_url("secret://").message.find("secret") == std::string::npos);
  CHECK_FALSE(postgres::check_url("postgresql://ann:secret@a,b/things?sslmode=require"));
  CHECK(postgres::describe("postgresql://ann:secret@a:5/things").find("secret")
        == std::string::npos);
  auto unknown = db.open({postgres_url() + "&dbname=nowhere"});
  CHECK(unknown.code == ec::storage_failed);
  CHECK(unknown.message.find("nowhere") != std::string::npos);
}
