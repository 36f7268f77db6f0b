#include "test/store_fixture.hpp"

#include "runtime/migrations.hpp"
#include "runtime/sqlite.hpp"

using namespace sotto;
using namespace sotto::test;
using Catch::Matchers::Contains;

namespace {

/// A closed store with `count` memories of one owner.
void make_store(const fs::path& folder, uint64_t count) {
  auto db = open(in(folder));
  for (uint64_t i = 1; i <= count; ++i)
    REQUIRE_FALSE(apply(*db, insert("u", {row(i, fmt::format("m{}", i), std::string(500, 'x'))})));
}

void run_sql(const fs::path& file, const char* sql) {
  sqlite::connection db;
  REQUIRE(db.open(file.string()) == SQLITE_OK);
  auto code = db.exec(sql);
  INFO(sqlite3_errmsg(db.handle()));
  REQUIRE(code == SQLITE_OK);
}

/// Puts the tables of schema 5 in the place of the newest.
constexpr auto tables_of_schema_5 = R"(
  DROP INDEX memories_by_author;
  ALTER TABLE memories RENAME TO newest;
  ALTER TABLE turns RENAME TO newest_turns;
  CREATE TABLE memories(
    owner INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK(seq > 0),
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    speaker TEXT NOT NULL,
    conversation TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created INTEGER NOT NULL,
    own INTEGER NOT NULL,
    vector BLOB,
    space INTEGER NOT NULL DEFAULT 0,
    author TEXT NOT NULL DEFAULT '',
    PRIMARY KEY(owner, seq)) WITHOUT ROWID;
  INSERT INTO memories SELECT owner, seq, id, text, speaker, conversation, metadata, created, own,
    vector, space, author FROM newest;
  DROP TABLE newest;
  CREATE TABLE turns(
    owner INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    key TEXT NOT NULL,
    text_hash INTEGER NOT NULL,
    reply INTEGER NOT NULL,
    created INTEGER NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY(owner, conversation, key)) WITHOUT ROWID;
  INSERT INTO turns SELECT owner, conversation, key, text_hash, reply, created, details
    FROM newest_turns;
  DROP TABLE newest_turns;
  CREATE INDEX memories_by_author ON memories(author, owner) WHERE author <> '';
  UPDATE schema_version SET version = 5;
)";

} // namespace

TEST_CASE("a file that is no database is reported and left as it is") {
  scratch dir;
  auto file = dir.path / "sotto.db";
  std::string garbage;
  for (int i = 0; i < 5000; ++i)
    garbage += static_cast<char>(i * 37);
  std::ofstream{file, std::ios::binary} << garbage;
  auto why = refusal(in(dir.path));
  CHECK(why.code == ec::storage_failed);
  CHECK_THAT(why.message, Contains(file.string()) && Contains("damaged") && Contains("backup"));
  CHECK(read(file) == garbage);
}

TEST_CASE("a damaged header is reported and left as it is") {
  scratch dir;
  make_store(dir.path, 20);
  auto file = dir.path / "sotto.db";
  overwrite(file, 0, "GARBAGE GARBAGE!");
  auto before = read(file);
  CHECK_THAT(refusal(in(dir.path)).message, Contains("damaged"));
  CHECK(read(file) == before);
}

TEST_CASE("a damaged page is found at the start while the database is small") {
  scratch dir;
  make_store(dir.path, 200);
  auto file = dir.path / "sotto.db";
  REQUIRE(fs::file_size(file) > 40'000);
  for (std::streamoff page = 5; page < 9; ++page)
    overwrite(file, page * 4096, std::string(64, '\x5a'));
  auto before = read(file);
  CHECK_THAT(refusal(in(dir.path)).message, Contains("damaged") && Contains("quick_check"));
  CHECK(read(file) == before);
}

TEST_CASE("a database cut short is reported") {
  scratch dir;
  make_store(dir.path, 200);
  auto file = dir.path / "sotto.db";
  fs::resize_file(file, fs::file_size(file) / 2 / 4096 * 4096);
  CHECK_THAT(refusal(in(dir.path)).message, Contains("damaged"));
}

TEST_CASE("damage met while running is reported and nothing more is acknowledged") {
  scratch dir;
  make_store(dir.path, 400);
  auto file = dir.path / "sotto.db";
  for (std::streamoff page = 7; page * 4096 < static_cast<std::streamoff>(fs::file_size(file));
       ++page)
    overwrite(file, page * 4096, std::string(512, '\x5a'));
  auto options = in(dir.path);
  options.check_bytes = 0;
  auto db = open(options);
  auto view = db->view();
  REQUIRE(view);
  auto back = (*view)->load({"acme", "u"});
  REQUIRE_FALSE(back);
  auto why = to_failure(back.error());
  CHECK(why.code == ec::storage_failed);
  CHECK_THAT(why.message, Contains(file.string()) && Contains("damaged"));
  CHECK(apply(*db, insert("u", {row(1000, "n1")})).code == ec::storage_failed);
  // An owner whose pages are whole is refused as well: the store as such is not to be trusted.
  CHECK(apply(*db, insert("fresh", {row(1, "n2")})).code == ec::storage_failed);
}

TEST_CASE("a database without a database file but with a log is reported") {
  scratch dir;
  std::ofstream{dir.path / "sotto.db-wal"} << "what was acknowledged";
  CHECK_THAT(refusal(in(dir.path)).message, Contains("missing or empty"));
  CHECK_FALSE(fs::exists(dir.path / "sotto.db"));
}

TEST_CASE("a log cut short gives back the whole batches before the cut") {
  scratch dir;
  auto live = dir.path / "live";
  auto db = open(in(live));
  for (uint64_t i = 0; i < 30; ++i) {
    std::vector<store_write> batch;
    for (uint64_t j = 1; j <= 10; ++j)
      batch.push_back(insert("u", {row(i * 10 + j, fmt::format("m{}", i * 10 + j))}));
    for (auto& x : db->apply(batch))
      REQUIRE_FALSE(x);
  }
  auto size = fs::file_size(live / "sotto.db-wal");
  size_t most = 0;
  for (int cut = 1; cut <= 10; ++cut) {
    auto copy = dir.path / fmt::format("copy{}", cut);
    fs::create_directory(copy);
    fs::copy_file(live / "sotto.db", copy / "sotto.db");
    fs::copy_file(live / "sotto.db-wal", copy / "sotto.db-wal");
    fs::resize_file(copy / "sotto.db-wal", size * static_cast<unsigned>(cut) / 10);
    auto damaged = open(in(copy));
    auto back = load(*damaged, "u");
    CHECK(back.memories.size() % 10 == 0);
    CHECK(back.memories.size() >= most);
    most = back.memories.size();
    for (size_t i = 0; i < back.memories.size(); ++i)
      CHECK(back.memories[i].seq == i + 1);
  }
  CHECK(most == 300);
}

TEST_CASE("a newer schema is refused and left as it is") {
  scratch dir;
  make_store(dir.path, 1);
  auto file = dir.path / "sotto.db";
  run_sql(file, "UPDATE schema_version SET version = 99");
  auto before = read(file);
  auto why = refusal(in(dir.path));
  CHECK(why.code == ec::storage_failed);
  CHECK_THAT(why.message, Contains("newer release") && Contains("99"));
  CHECK(read(file) == before);
}

TEST_CASE("a database of another program is refused and left as it is") {
  scratch dir;
  auto file = dir.path / "sotto.db";
  std::ofstream{file};
  run_sql(file, "CREATE TABLE recipes(name TEXT)");
  auto before = read(file);
  CHECK_THAT(refusal(in(dir.path)).message, Contains("another program"));
  CHECK(read(file) == before);
}

TEST_CASE("a store of an older schema is brought to the newest with all it holds") {
  scratch dir;
  make_store(dir.path, 3);
  auto file = dir.path / "sotto.db";
  run_sql(file, tables_of_schema_5);
  run_sql(file, "CREATE UNIQUE INDEX memories_by_id ON memories(owner, id); "
                "DROP TABLE turns; DROP TABLE summaries; DROP TABLE spaces; ALTER TABLE memories "
                "DROP COLUMN space; DROP INDEX memories_by_author; ALTER TABLE memories DROP "
                "COLUMN author; "
                "UPDATE memories SET vector = x'0000803f'; "
                "UPDATE schema_version SET version = 1");
  auto back = load(*open(in(dir.path)), "u");
  CHECK(back.memories.size() == 3);
  CHECK(back.vectors.at(0).empty()); // the built-in embedder's: computed anew
  sqlite::connection db;
  REQUIRE(db.open(file.string()) == SQLITE_OK);
  CHECK(db.number("SELECT version FROM schema_version", 0) == newest_schema());
  CHECK(db.number("SELECT count(*) FROM sqlite_schema WHERE name = 'memories_by_id'", -1) == 0);
}

TEST_CASE("lines of groups in an older store get their authors") {
  scratch dir;
  {
    auto db = open(in(dir.path));
    auto group = insert("channel:den", {row(1, "a"), row(2, "b"), row(3, "c"), row(4, "d")});
    group.memories[1].own = group.memories[3].own = true; // the last one answers nobody known
    group.memories[2].own = true;
    REQUIRE_FALSE(apply(*db, group));
    REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  }
  run_sql(dir.path / "sotto.db", tables_of_schema_5);
  run_sql(dir.path / "sotto.db", "DROP INDEX memories_by_author; ALTER TABLE memories DROP COLUMN "
                                 "author; UPDATE schema_version SET version = 4");
  auto db = open(in(dir.path));
  CHECK(load(*db, "channel:den").authors == std::vector<std::string>{"ann", "ann", "", ""});
  CHECK(load(*db, "u").authors.empty());
}

TEST_CASE("what was in order of owners keeps everything when it is in order of arrival") {
  scratch dir;
  auto options = in(dir.path);
  options.space = "small";
  auto group = insert("channel:den", {row(4, "d"), row(9, "e")});
  group.authors = {"ann", ""};
  auto user = insert("u", {row(3, "c"), row(1, "a", std::string(20'000, 'x'))});
  user.vectors = {{0.5F, -1.0F}, {}};
  user.memories[0].own = true;
  user.memories[0].metadata = R"({"mood":"calm"})";
  user.turns = {{"talk", "later", 8, 0, 40, {}}, {"talk", "k", 7, 3, 20, R"({"model":"m"})"}};
  {
    auto db = open(options);
    REQUIRE_FALSE(apply(*db, user));
    REQUIRE_FALSE(apply(*db, group));
  }
  run_sql(dir.path / "sotto.db", tables_of_schema_5);
  auto db = open(options);
  auto back = load(*db, "u");
  REQUIRE(ids(back) == std::vector<std::string>{"a", "c"});
  CHECK(back.memories[0].text == user.memories[1].text);
  CHECK(back.memories[1].seq == 3);
  CHECK(back.memories[1].own);
  CHECK(back.memories[1].metadata == user.memories[0].metadata);
  CHECK(back.memories[1].created == user.memories[0].created);
  CHECK(back.vectors[1] == user.vectors[0]);
  CHECK(back.vectors[0].empty());
  CHECK(load(*db, "channel:den").authors == std::vector<std::string>{"ann", ""});
  REQUIRE(back.turns.size() == 2);
  CHECK(back.turns[0].key == "k");
  CHECK(back.turns[0].conversation == "talk");
  CHECK(back.turns[0].text_hash == 7);
  CHECK(back.turns[0].reply == 3);
  CHECK(back.turns[0].created == 20);
  CHECK(back.turns[0].details == user.turns[1].details);
  CHECK(back.turns[1].key == "later");
  // A place is still taken once, and a turn with the same key takes the place of what is there.
  CHECK(apply(*db, insert("u", {row(3, "again")})).param == "seq");
  CHECK_FALSE(apply(*db, insert("u", {row(2, "b")})));
  auto end = insert("u", {});
  end.turns = {{"talk", "later", 8, 2, 40, "{}"}};
  CHECK_FALSE(apply(*db, end));
  back = load(*db, "u");
  CHECK(ids(back) == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(back.turns.size() == 2);
  CHECK(back.turns[1].reply == 2);
}

TEST_CASE("migrating twice changes nothing") {
  scratch dir;
  make_store(dir.path, 3);
  auto file = dir.path / "sotto.db";
  sqlite::connection db;
  REQUIRE(db.open(file.string()) == SQLITE_OK);
  CHECK_FALSE(migrate(db));
  CHECK(db.number("SELECT count(*) FROM schema_version", 0) == 1);
  CHECK(db.number("SELECT version FROM schema_version", 0) == newest_schema());
  CHECK(db.number("SELECT count(*) FROM memories", 0) == 3);
}
