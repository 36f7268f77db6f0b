// The store in PostgreSQL when the database is lost.
#include "test/postgres_proxy.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// A store that reaches PostgreSQL through a proxy.
struct cut_off {
  cut_off() {
    options = in(own);
    options.url = proxy.url();
    options.write_patience = 100ms;
    db = open(options);
    auto made = db->view();
    REQUIRE(made);
    view = std::move(*made);
  }

  failure read(std::string owner, std::vector<std::string>& to) {
    auto found = view->load({"acme", std::move(owner)});
    if (!found)
      return to_failure(found.error());
    to = ids(*found);
    return {};
  }

  own_schema own;
  postgres_proxy proxy;
  store_options options;
  std::unique_ptr<store> db;
  std::unique_ptr<store_view> view;
};

/// A PostgreSQL of a test's own, that can be stopped.
struct own_server {
  own_server() { start(); }
  ~own_server() { stop(); }
  void start() { run("start"); }
  void stop() { run("stop"); }
  std::string url() const {
    return "postgresql://sotto@/postgres?host=" + dir.path.string() + "/postgres";
  }
  void run(const char* what) const {
    auto command = fmt::format("{}/scripts/services {} {} postgres >/dev/null", SOTTO_SOURCE_DIR,
                               what, dir.path.string());
    REQUIRE(std::system(command.c_str()) == 0);
  }
  scratch dir;
};

using names = std::vector<std::string>;

} // namespace

TEST_CASE("a commit whose answer was lost is found out and not done twice") {
  cut_off x;
  x.options.write_patience = 20s;
  x.view.reset();
  x.db.reset();
  x.db = open(x.options);
  REQUIRE_FALSE(apply(*x.db, insert("u", {row(1, "a")})));
  x.proxy.cut_at_answer();
  failure why{ec::internal, {}, {}};
  std::thread writer{[&] { why = apply(*x.db, insert("u", {row(2, "b")})); }};
  while (!x.proxy.is_shut())
    std::this_thread::yield();
  x.proxy.open();
  writer.join();
  CHECK(why.message.empty());
  CHECK_FALSE(apply(*x.db, insert("u", {row(3, "c")})));
  CHECK(ids(load(*x.db, "u")) == names{"a", "b", "c"});
}

TEST_CASE("what could not be found out is said to be unknown, and nobody reads until it is known") {
  cut_off x;
  names found;
  REQUIRE_FALSE(apply(*x.db, insert("u", {row(1, "a")})));
  x.proxy.cut_at_answer();
  CHECK(apply(*x.db, insert("u", {row(2, "b")})).code == ec::timeout);
  CHECK(x.read("u", found).code == ec::unavailable);
  CHECK(apply(*x.db, insert("u", {row(3, "c")})).code == ec::unavailable);
  CHECK(x.proxy.is_shut());
  x.proxy.open();
  // Found out by a reader or by a writer, whoever comes first.
  if (GENERATE(true, false)) {
    while (x.read("u", found))
      std::this_thread::yield();
    CHECK(found == names{"a", "b"});
  }
  while (apply(*x.db, insert("u", {row(4, "d")})))
    std::this_thread::yield();
  CHECK_FALSE(x.read("u", found));
  CHECK(found == names{"a", "b", "d"});
}

TEST_CASE("a transaction that was found not to be committed can never be") {
  own_schema own;
  auto options = in(own);
  REQUIRE_FALSE(apply(*open(options), insert("u", {row(1, "a")})));
  options.answer_timeout = 500ms;
  options.write_patience = 1s;
  auto db = open(options);
  postgres::connection look;
  REQUIRE_FALSE(look.open(own.to));
  REQUIRE(look.run("BEGIN; LOCK TABLE memories IN SHARE MODE").ok());
  CHECK(apply(*db, insert("u", {row(2, "b")})).code == ec::timeout);
  // The server still has it, and would do it as soon as it can.
  CHECK(ids(load(*db, "u")) == names{"a"});
  REQUIRE(look.run("COMMIT").ok());
  while (apply(*db, insert("u", {row(3, "c")})))
    std::this_thread::yield();
  CHECK(ids(load(*db, "u")) == names{"a", "c"});
}

TEST_CASE("connections that are ended again and again lose and double nothing") {
  own_schema own;
  auto options = in(own);
  options.write_patience = 30s;
  auto db = open(options);
  postgres::connection look;
  REQUIRE_FALSE(look.open(own.to));
  std::atomic<bool> over{false};
  std::string trouble;
  std::thread killer{[&] {
    for (int i = 0; i < 20; ++i) {
      // The writer's connection is the one that holds the node's lock.
      auto ended = look.run(
          {"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
           "classid::bigint = hashtext('sotto node')::bigint & 4294967295 AND "
           "objid::bigint = hashtext($1::text)::bigint & 4294967295"},
          postgres::parameters{}.text(own.to.schema));
      if (!ended.ok())
        trouble = ended.why().message;
      i -= ended.rows() == 0 ? 1 : 0;
      look.run("SELECT pg_sleep(0.005 * random())");
    }
    over = true;
  }};
  names stored;
  for (uint64_t seq = 1; !over; seq += 3) {
    std::vector<store_write> batch;
    for (uint64_t i = 0; i < 3; ++i)
      batch.push_back(insert("u", {row(seq + i, fmt::format("m{}", seq + i))}));
    batch.push_back(insert("u", {row(1, "taken")})); // the way with savepoints, too
    auto results = db->apply(batch);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(results[i].message.empty());
      if (!results[i])
        stored.push_back(batch[i].memories[0].id);
    }
    CHECK(results[3].code == ec::invalid);
  }
  killer.join();
  CHECK(trouble.empty());
  CHECK(ids(load(*db, "u")) == stored);
}

TEST_CASE("a database that stops is waited for, then writes and loads are refused until it is "
          "back") {
  own_server server;
  store_options options;
  options.url = server.url();
  options.write_patience = 200ms;
  auto db = open(options);
  auto made = db->view();
  REQUIRE(made);
  REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  REQUIRE((*made)->load({"acme", "u"}));
  server.stop();
  for (int i = 0; i < 3; ++i) {
    auto why = apply(*db, insert("u", {row(2, "b")}));
    CHECK((why.code == ec::unavailable || (i == 0 && why.code == ec::timeout)));
    auto found = (*made)->load({"acme", "u"});
    REQUIRE_FALSE(found);
    CHECK(to_failure(found.error()).code == ec::unavailable);
    CHECK(to_failure(found.error()).message.find("sotto@") == std::string::npos);
  }
  CHECK(refusal(options).code == ec::unavailable);
  server.start();
  while (apply(*db, insert("u", {row(3, "c")})))
    std::this_thread::yield();
  while (!(*made)->load({"acme", "u"}))
    std::this_thread::yield();
  CHECK(ids(load(*db, "u")) == names{"a", "c"});
}
