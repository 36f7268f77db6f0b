#include "test/store_fixture.hpp"

#include <sys/stat.h>

#include "runtime/random.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::string_literals;

TEST_CASE("a store gives back everything in order of arrival, after a restart too") {
  scratch dir;
  auto first = row(1, "a", "nul \0 and \xff bytes \xf0\x9f\x90\x9f"s);
  first.metadata = R"({"mood":"calm"})";
  first.own = true;
  auto x = insert("u", {first, row(2, "b")});
  x.vectors = {{0.5F, -1.0F}, {}};
  {
    auto db = open(in(dir.path));
    // Out of order in the batch, in order in the store.
    CHECK_FALSE(apply(*db, insert("u", {row(7, "z"), row(3, "c")})));
    CHECK_FALSE(apply(*db, x));
  }
  auto db = open(in(dir.path));
  auto back = load(*db, "u");
  CHECK(back.owner == owner_key{"acme", "u"});
  REQUIRE(ids(back) == std::vector<std::string>{"a", "b", "c", "z"});
  auto& m = back.memories[0];
  CHECK(m.text == first.text);
  CHECK(m.metadata == first.metadata);
  CHECK(m.speaker == "ann");
  CHECK(m.conversation == "evening");
  CHECK(m.created == first.created);
  CHECK(m.seq == 1);
  CHECK(m.own);
  CHECK_FALSE(back.memories[1].own);
  CHECK(back.vectors[0] == x.vectors[0]);
  CHECK(back.vectors[1].empty());
}

TEST_CASE("owners of one name in two tenants are apart") {
  scratch dir;
  auto db = open(in(dir.path));
  auto other = insert("u", {row(1, "a", "other")});
  other.owner.tenant = "umbra";
  CHECK_FALSE(apply(*db, insert("u", {row(1, "a", "ours")})));
  CHECK_FALSE(apply(*db, other));
  CHECK_FALSE(apply(*db, forget("u")));
  CHECK(load(*db, "u").memories.empty());
  auto view = db->view();
  REQUIRE(view);
  auto back = (*view)->load({"umbra", "u"});
  REQUIRE(back);
  CHECK(back->memories.at(0).text == "other");
}

TEST_CASE("one bad write in a batch of a thousand takes no other with it") {
  scratch dir;
  auto db = open(in(dir.path));
  REQUIRE_FALSE(apply(*db, insert("u0", {row(1, "first")})));
  std::vector<store_write> batch;
  for (uint64_t i = 0; i < 1000; ++i)
    batch.push_back(insert(fmt::format("u{}", i % 10), {row(i + 2, fmt::format("m{}", i))}));
  // Its first row is good and its owner is new: neither may stay.
  batch[500] = insert("new", {row(1, "good"), row(2, "twice"), row(2, "again")});
  batch[990] = insert("u0", {row(1, "taken")});
  auto results = db->apply(batch);
  for (size_t i = 0; i < batch.size(); ++i)
    CHECK((results[i].code == ec::invalid) == (i == 500 || i == 990));
  CHECK(results[500].param == "seq");
  CHECK(results[990].param == "seq");
  CHECK(load(*db, "new").memories.empty());
  size_t count = 0;
  for (int i = 0; i < 10; ++i)
    count += load(*db, fmt::format("u{}", i)).memories.size();
  CHECK(count == 999);
  CHECK_FALSE(apply(*db, insert("new", {row(1, "good")})));
  CHECK(ids(load(*db, "new")) == std::vector<std::string>{"good"});
}

TEST_CASE("a write that is wrong in itself is refused before the database sees it") {
  scratch dir;
  auto db = open(in(dir.path));
  auto vectors = insert("u", {row(1, "a"), row(2, "b")});
  vectors.vectors = {{1.0F}};
  CHECK(apply(*db, vectors).param == "vectors");
  CHECK(apply(*db, insert("u", {row(1, "")})).param == "id");
  CHECK(apply(*db, insert("u", {row(0, "a")})).param == "seq");
  CHECK(load(*db, "u").memories.empty());
  CHECK(db->apply({}).empty());
}

TEST_CASE("removing and forgetting take effect in the order of the batch") {
  scratch dir;
  auto db = open(in(dir.path));
  std::vector<store_write> batch{insert("u", {row(1, "a"), row(2, "b")}),
                                 remove("u", 1),
                                 remove("u", 77),
                                 insert("v", {row(1, "a")}),
                                 forget("v"),
                                 forget("stranger"),
                                 insert("v", {row(1, "again")})};
  for (auto& x : db->apply(batch))
    CHECK_FALSE(x);
  CHECK(ids(load(*db, "u")) == std::vector<std::string>{"b"});
  CHECK(ids(load(*db, "v")) == std::vector<std::string>{"again"});
}

TEST_CASE("owners beyond the cache of numbers are found again") {
  scratch dir;
  auto options = in(dir.path);
  options.owner_cache = 3;
  auto db = open(options);
  for (uint64_t round = 1; round <= 3; ++round)
    for (int i = 0; i < 10; ++i)
      REQUIRE_FALSE(
          apply(*db, insert(fmt::format("u{}", i), {row(round, fmt::format("m{}", round))})));
  for (int i = 0; i < 10; ++i)
    CHECK(load(*db, fmt::format("u{}", i)).memories.size() == 3);
}

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

TEST_CASE("a closed store refuses writes and frees its folder") {
  scratch dir;
  auto db = open(in(dir.path));
  REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  db->close();
  CHECK(apply(*db, insert("u", {row(2, "b")})).code == ec::unavailable);
  auto again = open(in(dir.path));
  CHECK(ids(load(*again, "u")) == std::vector<std::string>{"a"});
}

TEST_CASE("vectors are given back to their own embedder alone") {
  scratch dir;
  auto with = [&](const char* space) {
    auto x = in(dir.path);
    x.space = space;
    return x;
  };
  {
    auto db = open(with("small"));
    auto x = insert("u", {row(1, "a"), row(2, "b"), row(3, "c")});
    x.vectors = {{0.5F, 1}, {}, {}};
    REQUIRE_FALSE(apply(*db, x));
    store_write later = insert("u", {row(2, "b"), row(9, "gone")});
    later.what = store_write::kind::embed;
    later.vectors = {{2, 3}, {4, 5}};
    REQUIRE_FALSE(apply(*db, later));
    CHECK(load(*db, "u").vectors == std::vector<std::vector<float>>{{0.5F, 1}, {2, 3}, {}});
    later.owner.owner = "nobody";
    CHECK_FALSE(apply(*db, later));
  }
  {
    auto other = open(with("large"));
    CHECK(load(*other, "u").vectors == std::vector<std::vector<float>>(3));
    store_write anew = insert("u", {row(1, "a")});
    anew.what = store_write::kind::embed;
    anew.vectors = {{7, 8, 9}};
    REQUIRE_FALSE(apply(*other, anew));
    CHECK(load(*other, "u").vectors.at(0) == std::vector<float>{7, 8, 9});
  }
  CHECK(load(*open(with("small")), "u").vectors == std::vector<std::vector<float>>{{}, {2, 3}, {}});
  CHECK(load(*open(in(dir.path)), "u").vectors == std::vector<std::vector<float>>(3));
}

TEST_CASE("turns and summaries are kept beside the memories, replaced, pruned and forgotten") {
  scratch dir;
  auto put = [](std::string key, uint64_t reply, int64_t created) {
    return turn_record{"evening", std::move(key), 0xfedcba9876543210ULL, reply, created, "{}"};
  };
  {
    auto db = open(in(dir.path));
    store_write begun;
    begun.owner = {"acme", "u"};
    begun.turns = {put("k1", 0, 10), put("k2", 0, 20)};
    CHECK_FALSE(apply(*db, begun));
    auto ended = insert("u", {row(1, "a"), row(2, "b")});
    ended.turns = {put("k2", 2, 20)};
    ended.summaries = {{"evening", "in short", 1}};
    CHECK_FALSE(apply(*db, ended));
  }
  auto db = open(in(dir.path));
  auto back = load(*db, "u");
  REQUIRE(back.turns.size() == 2);
  CHECK(back.turns[0].reply == 0);
  CHECK(back.turns[1].key == "k2");
  CHECK(back.turns[1].reply == 2);
  CHECK(back.turns[1].text_hash == 0xfedcba9876543210ULL);
  REQUIRE(back.summaries.size() == 1);
  CHECK(back.summaries[0].text == "in short");

  store_write later;
  later.owner = {"acme", "u"};
  later.turns = {put("k3", 0, 30)};
  later.turns_since = 20;
  CHECK_FALSE(apply(*db, later));
  CHECK(load(*db, "u").turns.size() == 2);
  CHECK_FALSE(apply(*db, remove("u", 2)));
  CHECK(load(*db, "u").summaries.size() == 1); // it tells of what is before
  CHECK_FALSE(apply(*db, remove("u", 1)));
  CHECK(load(*db, "u").summaries.empty());
  CHECK_FALSE(apply(*db, forget("u")));
  CHECK(load(*db, "u").turns.empty());
}
