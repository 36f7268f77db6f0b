// What the embedded store does besides (store_test.cpp).
#include "test/store_fixture.hpp"

#include <atomic>
#include <thread>

#include <sys/stat.h>

#include "runtime/random.hpp"
#include "runtime/sqlite.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

/// Fills a store with owners whose rows interleave and vary in size, forgets the odd ones and some
/// rows of the others; every text holds its owner's mark.
void fill_and_forget(store& db, uint64_t seed) {
  splitmix random{seed};
  std::vector<uint64_t> seqs(20, 0);
  for (int round = 0; round < 150; ++round) {
    std::vector<store_write> batch;
    for (int i = 0; i < 20; ++i) {
      auto owner = random() % seqs.size();
      auto seq = ++seqs[owner];
      auto kind = owner % 2 == 1 ? "SECRET" : seq % 3 == 0 ? "REMOVED" : "KEPT";
      auto size = random() % 50 == 0 ? random() % 20'000 : random() % 300;
      auto text = fmt::format("{}-{}-{}", kind, owner, std::string(size, 'x'));
      batch.push_back(insert(fmt::format("u{}", owner),
                             {row(seq, fmt::format("{}-{:016x}", kind, random()), text)}));
    }
    for (auto& x : db.apply(batch))
      REQUIRE_FALSE(x);
  }
  for (size_t owner = 0; owner < seqs.size(); ++owner) {
    auto name = fmt::format("u{}", owner);
    if (owner % 2 == 1)
      REQUIRE_FALSE(apply(db, forget(name)));
    else
      for (auto& m : load(db, name).memories)
        if (m.id.starts_with("REMOVED"))
          REQUIRE_FALSE(apply(db, remove(name, m.seq)));
  }
}

size_t occurrences(const fs::path& folder, const std::string& word) {
  size_t count = 0;
  for (auto& file : fs::directory_iterator{folder}) {
    auto bytes = read(file.path());
    for (size_t at = 0; (at = bytes.find(word, at)) != std::string::npos; at += word.size())
      ++count;
  }
  return count;
}

} // namespace

TEST_CASE("what was forgotten leaves no bytes in any file after maintenance") {
  for (uint64_t seed : {1, 2, 3}) {
    scratch dir;
    auto db = open(in(dir.path));
    fill_and_forget(*db, seed);
    CHECK(occurrences(dir.path, "SECRET") > 0);
    auto view = db->view();
    REQUIRE(view);
    CHECK_FALSE((*view)->maintain());
    CHECK(occurrences(dir.path, "SECRET") == 0);
    CHECK(occurrences(dir.path, "REMOVED") == 0);
    CHECK(occurrences(dir.path, "KEPT") > 0);
    // Nor do later commits bring them back from a cache, and every page is still whole.
    for (uint64_t i = 0; i < 20; i += 2)
      REQUIRE_FALSE(apply(*db, insert(fmt::format("u{}", i), {row(100'000, "KEPT-late")})));
    CHECK(fs::file_size(dir.path / "sotto.db-wal") > 0);
    CHECK(occurrences(dir.path, "SECRET") == 0);
    CHECK(occurrences(dir.path, "REMOVED") == 0);
    view->reset();
    db.reset();
    db = open(in(dir.path));
    CHECK_FALSE(load(*db, "u0").memories.empty());
  }
}

TEST_CASE("that another program keeps what was forgotten in the log is told of") {
  scratch dir;
  auto db = open(in(dir.path));
  auto view = db->view();
  REQUIRE(view);
  fill_and_forget(*db, 1);
  sqlite::connection other;
  REQUIRE(other.open((dir.path / "sotto.db").string()) == SQLITE_OK);
  REQUIRE(other.exec("BEGIN; SELECT count(*) FROM owners") == SQLITE_OK);
  CHECK_FALSE((*view)->maintain()); // a reader of our own would end soon
  failure why;
  for (int i = 0; i < 100 && !why; ++i)
    why = (*view)->maintain();
  CHECK_THAT(why.message, Catch::Contains("another program"));
  CHECK(occurrences(dir.path, "SECRET") > 0);
  REQUIRE(other.exec("COMMIT") == SQLITE_OK);
  for (int i = 0; i < 100 && occurrences(dir.path, "SECRET") > 0; ++i)
    why = (*view)->maintain();
  CHECK(occurrences(dir.path, "SECRET") == 0);
  CHECK_FALSE((*view)->maintain());
}

TEST_CASE("maintenance moves a large log into the database, and commits start it anew") {
  scratch dir;
  auto options = in(dir.path);
  options.checkpoint_bytes = 256 << 10;
  auto db = open(options);
  auto view = db->view();
  REQUIRE(view);
  auto log = dir.path / "sotto.db-wal";
  uint64_t seq = 0;
  auto say = [&](int times) {
    for (int i = 0; i < times; ++i, ++seq)
      REQUIRE_FALSE(apply(
          *db, insert("u", {row(seq + 1, fmt::format("m{}", seq), std::string(20'000, 'x'))})));
  };
  say(100);
  auto size = fs::file_size(log);
  REQUIRE(size > 4 * options.checkpoint_bytes);
  // Round after round it is written over in place: cutting the file would cost more.
  for (int round = 0; round < 5; ++round) {
    CHECK_FALSE((*view)->maintain());
    CHECK(fs::file_size(log) == size);
    say(50);
    CHECK(fs::file_size(log) == size);
  }
  // A log that has grown little is left alone, however long its file is.
  CHECK_FALSE((*view)->maintain());
  say(1);
  auto moved = fs::last_write_time(dir.path / "sotto.db");
  CHECK_FALSE((*view)->maintain());
  CHECK(fs::last_write_time(dir.path / "sotto.db") == moved);
  CHECK(load(*db, "u").memories.size() == seq);
}

TEST_CASE("while another program reads on, commits go on and the log that grows is told of") {
  scratch dir;
  auto options = in(dir.path);
  options.checkpoint_bytes = 64 << 10;
  options.restart_bytes = 4 << 20;
  auto db = open(options);
  auto view = db->view();
  REQUIRE(view);
  auto log = dir.path / "sotto.db-wal";
  uint64_t seq = 0;
  auto grow_to = [&](uint64_t bytes) {
    for (; fs::file_size(log) < bytes; ++seq)
      REQUIRE_FALSE(apply(
          *db, insert("u", {row(seq + 1, fmt::format("m{}", seq), std::string(100'000, 'x'))})));
  };
  REQUIRE_FALSE(apply(*db, insert("v", {row(1, "a")})));
  sqlite::connection other;
  REQUIRE(other.open((dir.path / "sotto.db").string()) == SQLITE_OK);
  REQUIRE(other.exec("BEGIN; SELECT count(*) FROM owners") == SQLITE_OK);
  grow_to(2 << 20);
  CHECK_FALSE((*view)->maintain()); // there is room yet
  grow_to(options.restart_bytes + (1 << 20));
  CHECK_THAT((*view)->maintain().message, Catch::Contains("another program"));
  REQUIRE_FALSE(apply(*db, insert("v", {row(2, "b")})));
  REQUIRE(other.exec("COMMIT") == SQLITE_OK);
  CHECK_FALSE((*view)->maintain());
  auto size = fs::file_size(log);
  for (int i = 0; i < 10; ++i, ++seq)
    REQUIRE_FALSE(apply(
        *db, insert("u", {row(seq + 1, fmt::format("m{}", seq), std::string(100'000, 'x'))})));
  CHECK(fs::file_size(log) == size);
  CHECK(load(*db, "u").memories.size() == seq);
}

TEST_CASE("a log starts anew beside commits that never pause, and so does not grow for ever") {
  scratch dir;
  auto options = in(dir.path);
  options.checkpoint_bytes = 64 << 10;
  options.restart_bytes = 2 << 20;
  auto db = open(options);
  auto view = db->view();
  REQUIRE(view);
  auto log = dir.path / "sotto.db-wal";
  std::atomic<bool> over{false};
  failure why;
  std::thread keeper{[&] {
    while (!over && !why)
      why = (*view)->maintain();
  }};
  constexpr uint64_t bytes = 100'000, most = 5000;
  uint64_t seq = 0, failed = 0, largest = 0, within = 0;
  // Until twice its size was written in it without its growing.
  for (; seq < most && (largest == 0 || within < 2 * largest); ++seq) {
    auto x = insert("u", {row(seq + 1, fmt::format("m{}", seq), std::string(bytes, 'x'))});
    failed += apply(*db, std::move(x)) ? 1 : 0;
    auto size = fs::file_size(log);
    within = size > largest ? 0 : within + bytes;
    largest = std::max<uint64_t>(largest, size);
  }
  over = true;
  keeper.join();
  CHECK_FALSE(why);
  CHECK(failed == 0);
  CHECK(seq < most);
  CHECK(load(*db, "u").memories.size() == seq);
}

TEST_CASE("a data folder and its database are for their owner alone") {
  scratch dir;
  auto folder = dir.path / "a" / "b";
  auto db = open(in(folder));
  struct stat info {};
  REQUIRE(stat(folder.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  REQUIRE(stat((folder / "sotto.db").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}
