#include "nodes/store_copy.hpp"

#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

void fill(const store_options& options) {
  auto with = [&](const char* space) {
    auto x = options;
    x.space = space;
    return x;
  };
  {
    auto db = open(with("small"));
    std::vector<memory> many;
    for (uint64_t i = 1; i <= 1200; ++i)
      many.push_back(row(i, fmt::format("m{}", i)));
    auto x = insert("many", many);
    x.vectors.resize(many.size());
    for (size_t i = 0; i < many.size(); i += 3)
      x.vectors[i] = {static_cast<float>(i), 0.5F};
    REQUIRE_FALSE(apply(*db, x));
    for (int i = 0; i < 300; ++i)
      REQUIRE_FALSE(apply(*db, insert(fmt::format("u{}", i), {row(7, "only")})));
    auto whole = insert("whole", {row(3, "a")});
    whole.turns = {{"c", "k", 5, 3, 10, "{}"}, {"c", "begun", 6, 0, 20, ""}};
    whole.summaries = {{"c", "in short", 3}};
    REQUIRE_FALSE(apply(*db, whole));
  }
  auto db = open(with("large"));
  auto other = insert("many", {row(2, "m2"), row(3, "m3")});
  other.what = store_write::kind::embed;
  other.vectors = {{1, 2, 3}, {4, 5, 6}};
  REQUIRE_FALSE(apply(*db, other));
}

} // namespace

TEST_CASE("a store that was copied to the other engine and back is the same, of every embedder") {
  sqlite_place first, last;
  postgres_place middle;
  fill(first.options());
  int told = 0;
  auto progress = [&](std::string_view, const copy_counts&) { ++told; };
  for (auto [from, to] : {std::pair{first.options(), middle.options()},
                          std::pair{middle.options(), last.options()}}) {
    auto copied = copy_store(from, to, progress);
    if (!copied)
      FAIL(to_failure(copied.error()).message);
    CHECK(copied->owners == 302);
    CHECK(copied->memories == 1501);
    CHECK(copied->vectors == 402);
    CHECK(copied->turns == 2);
    CHECK(copied->summaries == 1);
  }
  CHECK(told > 302);
  for (auto space : {"small", "large"}) {
    auto a = first.options(), b = last.options();
    a.space = b.space = space;
    CHECK(load(*open(a), "many").vectors == load(*open(b), "many").vectors);
  }
  auto refused = copy_store(first.options(), middle.options(), progress);
  REQUIRE_FALSE(refused);
  CHECK(to_failure(refused.error()).code == ec::invalid);
}
