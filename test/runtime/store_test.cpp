// What every store engine does.
#include "runtime/random.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::string_literals;

TEMPLATE_TEST_CASE("a store gives back everything in order of arrival, after a restart too", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto first = row(1, "a", "nul \0 and \xff bytes \xf0\x9f\x90\x9f"s);
  first.metadata = R"({"mood":"calm"})";
  first.own = true;
  auto x = insert("u", {first, row(2, "b")});
  x.vectors = {{0.5F, -1.0F}, {}};
  {
    auto db = open(place.options());
    // Out of order in the batch, in order in the store.
    CHECK_FALSE(apply(*db, insert("u", {row(7, "z"), row(3, "c")})));
    CHECK_FALSE(apply(*db, x));
  }
  auto db = open(place.options());
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

TEMPLATE_TEST_CASE("an owner with many memories is read in parts, which together are all", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto db = open(place.options());
  for (auto owner : {"before", "channel:u", "behind"}) {
    auto x = insert(owner, {});
    for (uint64_t seq = 1; seq <= 2 * part_rows + 5; ++seq) {
      x.memories.push_back(row(2 * seq, fmt::format("m{}", seq)));
      x.vectors.push_back({static_cast<float>(seq)});
      if (is_group(x.owner))
        x.authors.push_back(fmt::format("user{}", seq));
    }
    x.turns = {{"evening", "key", 1, 2, 3, {}}};
    x.summaries = {{"evening", "in short", 4}};
    REQUIRE_FALSE(apply(*db, x));
  }
  auto view = db->view();
  REQUIRE(view);
  owner_key owner{"acme", "channel:u"};
  uint64_t after = 0;
  for (auto rows : {part_rows, part_rows, size_t{5}, size_t{0}}) {
    auto part = (*view)->load_part(owner, after);
    REQUIRE(part);
    CHECK(part->owner == owner);
    REQUIRE(part->memories.size() == rows);
    REQUIRE(part->vectors.size() == rows);
    REQUIRE(part->authors.size() == rows);
    for (size_t i = 0; i < rows; ++i) {
      after += 2;
      REQUIRE(part->memories[i].seq == after);
      REQUIRE(part->vectors[i] == std::vector<float>{static_cast<float>(after / 2)});
      REQUIRE(part->authors[i] == fmt::format("user{}", after / 2));
    }
    auto first = after == 2 * part_rows;
    CHECK(part->turns.size() == (first ? 1 : 0));
    CHECK(part->summaries.size() == (first ? 1 : 0));
  }
  auto whole = load(*db, "channel:u");
  CHECK(whole.memories.size() == 2 * part_rows + 5);
  CHECK(whole.authors.size() == 2 * part_rows + 5);
  CHECK(whole.memories.back().seq == after);
  CHECK(whole.turns.size() == 1);
}

TEMPLATE_TEST_CASE("owners of one name in two tenants are apart", "", sqlite_place,
                   postgres_place) {
  TestType place;
  auto db = open(place.options());
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

TEMPLATE_TEST_CASE("one bad write in a batch of a thousand takes no other with it", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto db = open(place.options());
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

TEMPLATE_TEST_CASE("a write that is wrong in itself is refused before the database sees it", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto db = open(place.options());
  auto vectors = insert("u", {row(1, "a"), row(2, "b")});
  vectors.vectors = {{1.0F}};
  CHECK(apply(*db, vectors).param == "vectors");
  CHECK(apply(*db, insert("u", {row(1, "")})).param == "id");
  CHECK(apply(*db, insert("u", {row(0, "a")})).param == "seq");
  CHECK(load(*db, "u").memories.empty());
  CHECK(db->apply({}).empty());
}

TEMPLATE_TEST_CASE("removing and forgetting take effect in the order of the batch", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto db = open(place.options());
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

TEMPLATE_TEST_CASE("owners beyond the cache of numbers are found again", "", sqlite_place,
                   postgres_place) {
  TestType place;
  auto options = place.options();
  options.owner_cache = 3;
  auto db = open(options);
  for (uint64_t round = 1; round <= 3; ++round)
    for (int i = 0; i < 10; ++i)
      REQUIRE_FALSE(
          apply(*db, insert(fmt::format("u{}", i), {row(round, fmt::format("m{}", round))})));
  for (int i = 0; i < 10; ++i)
    CHECK(load(*db, fmt::format("u{}", i)).memories.size() == 3);
}

TEMPLATE_TEST_CASE("a closed store refuses writes and frees its folder", "", sqlite_place,
                   postgres_place) {
  TestType place;
  auto db = open(place.options());
  REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  db->close();
  CHECK(apply(*db, insert("u", {row(2, "b")})).code == ec::unavailable);
  auto again = open(place.options());
  CHECK(ids(load(*again, "u")) == std::vector<std::string>{"a"});
}

TEMPLATE_TEST_CASE("vectors are given back to their own embedder alone", "", sqlite_place,
                   postgres_place) {
  TestType place;
  auto with = [&](const char* space) {
    auto x = place.options();
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
  CHECK(load(*open(place.options()), "u").vectors == std::vector<std::vector<float>>(3));
}

TEMPLATE_TEST_CASE(
    "turns and summaries are kept beside the memories, replaced, pruned and forgotten", "",
    sqlite_place, postgres_place) {
  TestType place;
  auto put = [](std::string key, uint64_t reply, int64_t created) {
    return turn_record{"evening", std::move(key), 0xfedcba9876543210ULL, reply, created, "{}"};
  };
  {
    auto db = open(place.options());
    store_write begun;
    begun.owner = {"acme", "u"};
    begun.turns = {put("k1", 0, 10), put("k2", 0, 20)};
    CHECK_FALSE(apply(*db, begun));
    auto ended = insert("u", {row(1, "a"), row(2, "b")});
    ended.turns = {put("k2", 2, 20)};
    ended.summaries = {{"evening", "in short", 1}};
    CHECK_FALSE(apply(*db, ended));
  }
  auto db = open(place.options());
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

TEMPLATE_TEST_CASE("owners are listed in order, with what lacks a vector of the store's embedder",
                   "", sqlite_place, postgres_place) {
  TestType place;
  auto with = [&](const char* space) {
    auto x = place.options();
    x.space = space;
    return x;
  };
  auto listed = [](store& db, const owner_key& after, size_t limit) {
    std::string text;
    auto view = db.view();
    REQUIRE(view);
    auto found = (*view)->owners(after, limit);
    REQUIRE(found);
    for (auto& x : *found)
      text += fmt::format("{}/{}:{} ", x.owner.tenant, x.owner.owner, x.missing);
    return text;
  };
  {
    auto db = open(with("small"));
    auto x = insert("b", {row(1, "a"), row(2, "b"), row(3, "c")});
    x.vectors = {{0.5F}, {}, {1}};
    REQUIRE_FALSE(apply(*db, x));
    REQUIRE_FALSE(apply(*db, insert("a", {row(1, "a")})));
    auto other = insert("a", {row(1, "a")});
    other.owner.tenant = "zoo";
    REQUIRE_FALSE(apply(*db, other));
    CHECK(listed(*db, {}, 10) == "acme/a:1 acme/b:1 zoo/a:1 ");
    CHECK(listed(*db, {}, 2) == "acme/a:1 acme/b:1 ");
    CHECK(listed(*db, {"acme", "b"}, 2) == "zoo/a:1 ");
    CHECK(listed(*db, {"zoo", "a"}, 2).empty());
    REQUIRE_FALSE(apply(*db, forget("a")));
    CHECK(listed(*db, {}, 10) == "acme/b:1 zoo/a:1 ");
  }
  CHECK(listed(*open(with("large")), {}, 10) == "acme/b:3 zoo/a:1 ");
}

namespace {

/// A write of any kind, of few owners and places, so that many of a batch touch each other.
store_write any_write(splitmix& random) {
  store_write x;
  auto kind = random() % 12;
  x.owner = {"acme", fmt::format("u{}", random() % 4)};
  auto place = [&] { return random() % 30 + 1; };
  if (kind == 0)
    x.what = store_write::kind::forget;
  if (kind == 1 || kind == 2)
    x.what = store_write::kind::remove;
  if (kind == 3)
    x.what = store_write::kind::embed;
  for (auto n = random() % 3 + 1; n > 0; --n)
    x.seqs.push_back(place());
  for (auto n = random() % 3; n > 0 && kind > 2; --n) {
    auto seq = place();
    x.memories.push_back(row(seq, fmt::format("m{}", seq), fmt::format("{}", random())));
    x.vectors.push_back({static_cast<float>(random() % 100)});
  }
  if (kind < 4)
    return x;
  if (random() % 2 == 0)
    x.vectors.clear();
  for (auto n = random() % 3; n > 0; --n)
    x.turns.push_back({"c", fmt::format("k{}", random() % 4), random(), random() % 3,
                       static_cast<int64_t>(random() % 50), "{}"});
  if (random() % 3 == 0)
    x.turns_since = static_cast<int64_t>(random() % 50);
  for (auto n = random() % 3; n > 0; --n)
    x.summaries.push_back({fmt::format("c{}", random() % 2), fmt::format("{}", random()), place()});
  return x;
}

std::string shown(store& db) {
  std::string out;
  for (int i = 0; i < 4; ++i) {
    auto x = load(db, fmt::format("u{}", i));
    for (size_t n = 0; n < x.memories.size(); ++n)
      out += fmt::format("{} {} {} {};", x.memories[n].seq, x.memories[n].id, x.memories[n].text,
                         x.vectors[n].empty() ? -1.F : x.vectors[n][0]);
    std::sort(x.turns.begin(), x.turns.end(), [](auto& a, auto& b) { return a.key < b.key; });
    for (auto& y : x.turns)
      out += fmt::format("{} {} {} {};", y.key, y.text_hash, y.reply, y.created);
    std::sort(x.summaries.begin(), x.summaries.end(),
              [](auto& a, auto& b) { return a.conversation < b.conversation; });
    for (auto& y : x.summaries)
      out += fmt::format("{} {} {};", y.conversation, y.text, y.upto);
    out += '\n';
  }
  return out;
}

} // namespace

TEST_CASE("both engines answer and hold the same, whatever a batch is made of") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    splitmix random{seed};
    sqlite_place here;
    postgres_place there;
    auto with = [](store_options x) {
      x.space = "small";
      return x;
    };
    auto a = open(with(here.options())), b = open(with(there.options()));
    for (int round = 0; round < 12; ++round) {
      std::vector<store_write> batch;
      for (auto n = random() % 20 + 1; n > 0; --n)
        batch.push_back(any_write(random));
      auto left = a->apply(batch), right = b->apply(batch);
      REQUIRE(left.size() == right.size());
      for (size_t i = 0; i < left.size(); ++i) {
        CHECK(left[i].code == right[i].code);
        CHECK(left[i].param == right[i].param);
      }
      REQUIRE(shown(*a) == shown(*b));
    }
  }
}
