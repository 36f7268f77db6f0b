// How SHARD loads owners with more memories than one part has.
#include "test/actors/shard_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

struct big_owner : shard_fixture {
  void fill(size_t memories) {
    store.rows.clear();
    for (size_t i = 1; i <= memories; ++i) {
      auto& x = store.rows.emplace_back();
      x.seq = i;
      x.id = fmt::format("m{}", i);
      x.text = fmt::format("line {}", i);
      x.conversation = "talk";
    }
  }

  auto recall(std::string text) {
    memory_query query;
    query.owner = {"default", "ada"};
    query.text = std::move(text);
    return (*self)->request(home, caf::infinite, flow(), atom::recall_v, query);
  }

  failure refusal() {
    auto pending = recall("line");
    run();
    REQUIRE_FALSE((*self)->mailbox().empty());
    failure why;
    pending.receive([](std::vector<recalled>&) { FAIL("answered"); },
                    [&](caf::error& x) { why = to_failure(x); });
    return why;
  }

  std::vector<std::string> all() {
    std::vector<std::string> result;
    memory_page_query query{{"default", "ada"}, {}, 700};
    do {
      auto page = ask<memory_page>(home, flow(), atom::list_v, query);
      REQUIRE(page);
      for (auto& x : page->memories)
        result.push_back(x.id);
      query.after = page->next;
    } while (!query.after.empty());
    return result;
  }
};

} // namespace

TEST_CASE_METHOD(big_owner, "an owner is loaded whole and in order, whatever the number of parts") {
  for (size_t memories :
       {1ul, part_rows - 1, part_rows, part_rows + 1, 2 * part_rows, 3 * part_rows + 17}) {
    INFO(memories);
    fill(memories);
    auto before = store.parts;
    auto ids = all();
    REQUIRE(ids.size() == memories);
    for (size_t i = 0; i < memories; ++i)
      REQUIRE(ids[i] == store.rows[i].id);
    CHECK(static_cast<size_t>(store.parts - before) == memories / part_rows);
    remember("new", "the next one");
    CHECK(store.writes.front().write.memories[0].seq == memories + 1);
    store.writes.clear();
    restart();
  }
}

TEST_CASE_METHOD(big_owner, "while an owner is loaded in parts who asks for them waits, and other "
                            "owners are served") {
  fill(2 * part_rows);
  store.parts_silent = true;
  recall("line 3");
  run();
  CHECK((*self)->mailbox().empty());
  CHECK(store.parts == 1);
  // The first part once more, as of a load that was given up: it is not taken twice.
  memory_write first;
  first.owner = {"default", "ada"};
  first.memories.assign(store.rows.begin(), store.rows.begin() + part_rows);
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::loaded_v, first, failure{});
  run();
  CHECK(store.parts == 1);
  store.rows.clear();
  CHECK(found("line", "bob").empty());
  CHECK((*self)->mailbox().empty());
  CHECK(account->owner_bytes > static_cast<int64_t>(part_rows * sizeof(memory)));
  restart();
  CHECK(account->owner_bytes == 0);
}

TEST_CASE_METHOD(big_owner, "an owner of whom a part cannot be read is refused and tried again") {
  fill(2 * part_rows + 1);
  store.parts_fail = true;
  CHECK(refusal().code == ec::storage_failed);
  CHECK(account->owner_bytes == 0);
  store.parts_fail = false;
  CHECK(all().size() == store.rows.size());
}

TEST_CASE_METHOD(big_owner,
                 "a reader that is silent in the middle fails who waits, at its time-out") {
  fill(part_rows);
  store.parts_silent = true;
  auto pending = recall("line");
  pass(5s);
  CHECK((*self)->mailbox().empty());
  for (int i = 0; i < 8; ++i)
    pass(1s);
  REQUIRE_FALSE((*self)->mailbox().empty());
  pending.receive([](std::vector<recalled>&) { FAIL("answered"); },
                  [](caf::error& x) { CHECK(to_failure(x).code == ec::timeout); });
  CHECK(account->owner_bytes == 0);
  store.parts_silent = false;
  CHECK(all().size() == part_rows);
}
