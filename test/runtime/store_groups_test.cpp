// What the store knows of who spoke in groups, in both engines.
#include <algorithm>

#include "messages/partition.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

/// Lines of a group, each with whom it is there because of.
store_write said(std::string group, std::vector<std::pair<memory, std::string>> lines) {
  store_write x;
  x.owner = {"acme", "channel:" + std::move(group)};
  for (auto& [line, author] : lines) {
    x.memories.push_back(std::move(line));
    x.authors.push_back(std::move(author));
  }
  return x;
}

std::vector<std::pair<std::string, std::vector<uint64_t>>>
spoken(store& from, const owner_key& user, uint32_t partition) {
  auto view = from.view();
  REQUIRE(view);
  auto found = (*view)->spoken({user, partition});
  if (!found)
    FAIL(to_failure(found.error()).message);
  std::vector<std::pair<std::string, std::vector<uint64_t>>> result;
  for (auto& x : *found) {
    CHECK(x.group.tenant == user.tenant);
    result.emplace_back(x.group.owner, x.seqs);
  }
  std::sort(result.begin(), result.end());
  return result;
}

/// The groups in one partition.
uint32_t partition_of_group(const store_options& with, const char* group) {
  return partition_of({"acme", std::string{"channel:"} + group}, with.partitions);
}

} // namespace

TEMPLATE_TEST_CASE("what a user said in groups is found by partition, tenant and user", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto with = place.options();
  with.partitions = 2;
  auto db = open(with);
  auto den = partition_of_group(with, "den");
  std::vector<std::string> here, there;
  for (auto name : {"den", "attic", "cellar", "garden", "porch"})
    (partition_of_group(with, name) == den ? here : there).push_back(name);
  for (auto name : {"den", "attic", "cellar", "garden", "porch"}) {
    REQUIRE_FALSE(apply(*db, said(name, {{row(1, "a"), "ada"},
                                         {row(2, "b"), "ada"},
                                         {row(3, "c"), "bob"},
                                         {row(4, "d"), ""},
                                         {row(5, "e"), "ada"}})));
    // The same names of another tenant, and what is said in private.
    auto other = said(name, {{row(1, "a"), "ada"}});
    other.owner.tenant = "umbra";
    REQUIRE_FALSE(apply(*db, other));
  }
  REQUIRE_FALSE(apply(*db, insert("ada", {row(1, "a")})));
  auto ada = spoken(*db, {"acme", "ada"}, den);
  REQUIRE(ada.size() == here.size());
  for (auto& [group, seqs] : ada)
    CHECK(seqs == std::vector<uint64_t>{1, 2, 5});
  CHECK(spoken(*db, {"acme", "ada"}, 1 - den).size() == there.size());
  CHECK(spoken(*db, {"acme", "bob"}, den).at(0).second == std::vector<uint64_t>{3});
  CHECK(spoken(*db, {"acme", "eve"}, den).empty());
  CHECK(spoken(*db, {"acme", ""}, den).empty());
  CHECK(spoken(*db, {"nobody", "ada"}, den).empty());
  // Several go at once, and the summaries that may tell of the first of them.
  auto sums = said("den", {});
  sums.summaries = {{"before", "of nothing that goes", 1}, {"after", "of all", 3}};
  REQUIRE_FALSE(apply(*db, sums));
  store_write gone;
  gone.what = store_write::kind::remove;
  gone.owner = {"acme", "channel:den"};
  gone.seqs = {5, 2};
  REQUIRE_FALSE(apply(*db, gone));
  auto left = load(*db, "channel:den");
  CHECK(ids(left) == std::vector<std::string>{"a", "c", "d"});
  CHECK(left.authors == std::vector<std::string>{"ada", "bob", ""});
  REQUIRE(left.summaries.size() == 1);
  CHECK(left.summaries[0].conversation == "before");
  CHECK(load(*db, "ada").authors.empty());
}

TEST_CASE("groups are found by the partitions that there are now, not by those that there were") {
  sqlite_place place;
  auto with = place.options();
  with.partitions = 2;
  std::vector<std::string> groups{"den", "attic", "cellar", "garden", "porch"};
  {
    auto db = open(with);
    for (auto& name : groups)
      REQUIRE_FALSE(apply(*db, said(name, {{row(1, "a"), "ada"}})));
  }
  with.partitions = 7;
  auto db = open(with);
  size_t found = 0;
  for (uint32_t partition = 0; partition < with.partitions; ++partition)
    for (auto& [group, seqs] : spoken(*db, {"acme", "ada"}, partition)) {
      CHECK(partition_of({"acme", group}, with.partitions) == partition);
      CHECK(seqs == std::vector<uint64_t>{1});
      ++found;
    }
  CHECK(found == groups.size());
}

TEMPLATE_TEST_CASE("what the companion said of its own accord goes with those who spoke before", "",
                   sqlite_place, postgres_place) {
  TestType place;
  auto db = open(place.options());
  auto den = partition_of_group(place.options(), "den");
  auto own = [](uint64_t seq, const char* id, const char* conversation = "evening") {
    auto x = row(seq, id);
    x.own = true;
    x.conversation = conversation;
    return x;
  };
  REQUIRE_FALSE(apply(*db, said("den", {{own(1, "before anybody"), ""},
                                        {row(2, "a"), "ada"},
                                        {own(3, "answer to ada"), "ada"},
                                        {own(4, "after ada"), ""},
                                        {row(5, "b"), "bob"},
                                        {own(6, "answer to bob"), "bob"},
                                        {own(7, "after both"), ""},
                                        {own(8, "elsewhere", "morning"), ""},
                                        {row(9, "told by nobody"), ""}})));
  REQUIRE_FALSE(apply(*db, said("attic", {{row(1, "b"), "bob"}, {own(2, "after bob"), ""}})));
  auto found = spoken(*db, {"acme", "ada"}, den);
  REQUIRE(found.size() == 1);
  CHECK(found[0].second == std::vector<uint64_t>{2, 3, 4, 7});
  for (auto& [group, seqs] : spoken(*db, {"acme", "bob"}, den))
    CHECK(
        seqs
        == (group == "channel:den" ? std::vector<uint64_t>{5, 6, 7} : std::vector<uint64_t>{1, 2}));
}
