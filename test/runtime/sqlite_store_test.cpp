// What the embedded store does besides (store_test.cpp).
#include "test/store_fixture.hpp"

#include <sys/stat.h>

#include "runtime/random.hpp"

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

TEST_CASE("maintenance moves a large log into the database and a very large one is emptied") {
  scratch dir;
  auto options = in(dir.path);
  options.checkpoint_bytes = 64 << 10;
  options.restart_bytes = 512 << 10;
  auto db = open(options);
  auto view = db->view();
  REQUIRE(view);
  auto log = dir.path / "sotto.db-wal";
  for (uint64_t i = 1; i <= 100; ++i)
    REQUIRE_FALSE(
        apply(*db, insert("u", {row(i, fmt::format("m{}", i), std::string(20'000, 'x'))})));
  REQUIRE(fs::file_size(log) > options.restart_bytes);
  CHECK_FALSE((*view)->maintain());
  CHECK(fs::file_size(log) == 0);
  REQUIRE_FALSE(apply(*db, insert("u", {row(101, "m101", std::string(100'000, 'x'))})));
  auto before = fs::file_size(log);
  CHECK_FALSE((*view)->maintain());
  CHECK(fs::file_size(log) == before);
  // The log was moved whole: the next commit starts it anew.
  REQUIRE_FALSE(apply(*db, insert("u", {row(102, "m102")})));
  CHECK(fs::file_size(log) == before);
  CHECK(load(*db, "u").memories.size() == 102);
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
