#include "actors/shard.hpp"
#include "test/actors/fake_store.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

struct journal_fixture : test::frozen_system {
  journal_fixture() {
    shard_options options;
    options.max_turns = 3;
    home = spawn(shard, options, spawn(writer, &store), spawn(reader, &store), shard_embedder{},
                 std::make_shared<memory_account>(), uint64_t{1});
  }

  auto open_turn(const std::string& key, uint64_t hash = 7) {
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::journal_v,
                                    turn_opening{{"default", "ada"}, "talk", key, hash});
    run();
    return pending;
  }

  template <class Pending>
  caf::expected<turn_found> found(Pending pending) {
    caf::expected<turn_found> out{caf::make_error(caf::sec::request_timeout)};
    REQUIRE_FALSE((*self)->mailbox().empty());
    pending.receive([&](turn_found& x) { out = x; }, [&](caf::error& e) { out = e; });
    return out;
  }

  turn_found::kind kind_of(const std::string& key, uint64_t hash = 7) {
    auto pending = open_turn(key, hash);
    while (!store.writes.empty())
      store.commit();
    run();
    auto x = found(pending);
    REQUIRE(x);
    return x->what;
  }

  void end_turn(const std::string& key) {
    memory_write x;
    x.owner = {"default", "ada"};
    x.memories.resize(2);
    x.memories[0].text = "question";
    x.memories[1].text = "answer";
    for (auto& y : x.memories)
      y.conversation = "talk";
    x.turns.push_back({"talk", key, 7, 2, 99, R"({})"});
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::remember_v, std::move(x));
    run();
    store.commit();
    run();
    pending.receive([&](memory_receipt& r) { receipt = r; }, [](caf::error&) { FAIL("refused"); });
  }

  bool keep_summary(std::string text, uint64_t as_of) {
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::summarise_v,
                                    owner_key{"default", "ada"},
                                    summary_record{"talk", std::move(text), 2}, as_of);
    run();
    if (!store.writes.empty())
      store.commit();
    run();
    bool kept = false;
    pending.receive([&](bool x) { kept = x; }, [](caf::error&) { FAIL("refused"); });
    return kept;
  }

  conversation_end read(std::string owner = "ada") {
    auto end =
        ask<conversation_end>(home, flow(), atom::recent_v, owner_key{"default", std::move(owner)},
                              std::string{"talk"}, uint32_t{10});
    REQUIRE(end);
    return *end;
  }

  std::string summary() { return read().before.text; }

  /// Sends the removal of a line; durable with the store's next commit.
  auto remove(size_t line) {
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::remove_v,
                                    owner_key{"default", "ada"}, receipt.ids.at(line));
    run();
    return pending;
  }

  template <class Pending>
  bool removed(Pending pending) {
    bool result = false;
    pending.receive([&](bool x) { result = x; }, [](caf::error&) { FAIL("refused"); });
    return result;
  }

  fake_store store;
  shard_actor home;
  memory_receipt receipt;
};

using kind = turn_found::kind;

} // namespace

TEST_CASE_METHOD(journal_fixture, "a turn is fresh once its beginning is durable, not before") {
  auto pending = open_turn("k");
  REQUIRE(store.writes.size() == 1);
  REQUIRE(store.writes[0].write.turns.size() == 1);
  CHECK(store.writes[0].write.turns[0].reply == 0);
  CHECK((*self)->mailbox().empty());
  store.commit();
  run();
  auto x = found(pending);
  REQUIRE(x);
  CHECK(x->what == kind::fresh);
}

TEST_CASE_METHOD(journal_fixture,
                 "a beginning that cannot be stored is a failure, not a beginning") {
  auto pending = open_turn("k");
  store.commit({ec::storage_failed, "broken on purpose", {}});
  run();
  CHECK_FALSE(found(pending));
  CHECK(kind_of("k") == kind::fresh);
}

TEST_CASE_METHOD(journal_fixture,
                 "a turn that ended is found with its reply, an unended is not run twice unseen") {
  CHECK(kind_of("k") == kind::fresh);
  CHECK(kind_of("k") == kind::interrupted);
  CHECK(kind_of("k", 8) == kind::conflict);
  end_turn("k");
  REQUIRE(receipt.seqs.size() == 2);
  auto x = found(open_turn("k"));
  REQUIRE(x);
  CHECK(x->what == kind::done);
  CHECK(x->reply.text == "answer");
  auto removed =
      ask<bool>(home, flow(), atom::remove_v, owner_key{"default", "ada"}, receipt.ids[1]);
  store.commit();
  run();
  CHECK(kind_of("k") == kind::removed);
}

TEST_CASE_METHOD(journal_fixture, "only the latest turns are kept, here and in the store") {
  for (auto key : {"a", "b", "c", "d", "e"}) {
    CHECK(kind_of(key) == kind::fresh);
    pass(1s);
  }
  auto pending = open_turn("f");
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.turns_since > 0);
  store.commit();
  run();
  CHECK(found(pending)->what == kind::fresh);
  CHECK(kind_of("e") == kind::interrupted);
  CHECK(kind_of("a") == kind::fresh);
}

TEST_CASE_METHOD(journal_fixture, "the store looks for old turns only where some are too many") {
  for (auto key : {"a", "b", "c", "d"}) {
    auto pending = open_turn(key);
    REQUIRE(store.writes.size() == 1);
    CHECK(store.writes[0].write.turns_since == 0);
    store.commit();
    run();
    CHECK(found(pending)->what == kind::fresh);
    pass(1s);
  }
  auto pending = open_turn("e");
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.turns_since > 0);
  store.commit();
  run();
  CHECK(found(pending)->what == kind::fresh);
}

TEST_CASE_METHOD(journal_fixture, "turns are kept for a day, however the clock jumps meanwhile") {
  constexpr int64_t day = 86'400'000'000;
  CHECK(kind_of("a") == kind::fresh);
  SECTION("when the clock runs, they go") {
    pass(25h);
    CHECK(kind_of("b") == kind::fresh);
    CHECK(kind_of("a") == kind::fresh);
  }
  SECTION("when the clock goes forward and back, they stay") {
    pass(2h);
    wall_micros += 2 * day;
    CHECK(kind_of("b") == kind::fresh);
    pass(30min);
    CHECK(kind_of("b") == kind::interrupted);
    wall_micros -= 2 * day;
    CHECK(kind_of("c") == kind::fresh);
    CHECK(kind_of("a") == kind::interrupted);
    CHECK(kind_of("b") == kind::interrupted);
  }
  SECTION("a clock that stays where it went is believed in the end") {
    wall_micros += 2 * day;
    CHECK(kind_of("b") == kind::fresh);
    pass(2h);
    CHECK(kind_of("c") == kind::fresh);
    CHECK(kind_of("a") == kind::fresh);
  }
}

TEST_CASE_METHOD(journal_fixture, "a node that starts with a wrong clock drops no turns for it") {
  constexpr int64_t day = 86'400'000'000;
  store.turns.push_back({"talk", "a", 7, 0, wall_micros - 3'600'000'000, {}});
  wall_micros += 30 * day;
  home = spawn(shard, shard_options{}, spawn(writer, &store), spawn(reader, &store),
               shard_embedder{}, std::make_shared<memory_account>(), uint64_t{1});
  auto pending = open_turn("b");
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.turns_since <= store.turns[0].created);
  store.commit();
  run();
  CHECK(found(pending)->what == kind::fresh);
  wall_micros -= 30 * day;
  CHECK(kind_of("a") == kind::interrupted);
}

TEST_CASE_METHOD(journal_fixture, "forgetting an owner forgets their turns") {
  CHECK(kind_of("k") == kind::fresh);
  auto pending =
      (*self)->request(home, caf::infinite, flow(), atom::forget_v, owner_key{"default", "ada"});
  run();
  store.commit();
  run();
  pending.receive([](const forget_receipt&) {}, [](caf::error&) { FAIL("refused"); });
  CHECK(kind_of("k") == kind::fresh);
}

TEST_CASE_METHOD(journal_fixture,
                 "a summary is kept unless memories were removed since it was begun") {
  end_turn("k");
  CHECK(keep_summary("first", read().as_of));
  CHECK(summary() == "first");
  auto before = read().as_of;
  SECTION("on a clock that runs") {
    pass(1s);
  }
  SECTION("on a clock that is set back") {
    wall_micros -= 3'600'000'000;
  }
  SECTION("on a clock that is set forward") {
    wall_micros += 3'600'000'000;
  }
  auto removing = remove(0);
  store.commit();
  run();
  CHECK(removed(std::move(removing)));
  CHECK(summary().empty());
  CHECK_FALSE(keep_summary("second", before));
  CHECK(summary().empty());
  CHECK(keep_summary("third", read().as_of));
  CHECK(summary() == "third");
}

TEST_CASE_METHOD(journal_fixture, "a summary of lines that were read while they were being removed "
                                  "is not kept, whenever it comes") {
  end_turn("k");
  auto removing = remove(0);
  auto while_removed = read().as_of;
  CHECK_FALSE(read().lines.empty());
  SECTION("after the removal") {
    store.commit();
    run();
    CHECK_FALSE(keep_summary("of what is gone", while_removed));
  }
  SECTION("before it, to be durable after it") {
    auto keeping = (*self)->request(home, caf::infinite, flow(), atom::summarise_v,
                                    owner_key{"default", "ada"},
                                    summary_record{"talk", "of what is gone", 2}, while_removed);
    run();
    CHECK(store.writes.size() == 1); // the removal alone
    store.commit();
    run();
    bool kept = true;
    keeping.receive([&](bool x) { kept = x; }, [](caf::error&) { FAIL("refused"); });
    CHECK_FALSE(kept);
  }
  CHECK(removed(std::move(removing)));
  CHECK(summary().empty());
}

TEST_CASE_METHOD(journal_fixture, "a summary of what another SHARD has read is not kept") {
  end_turn("k");
  auto before = read().as_of;
  pass(1s);
  home = spawn(shard, shard_options{}, spawn(writer, &store), spawn(reader, &store),
               shard_embedder{}, std::make_shared<memory_account>(), uint64_t{1});
  CHECK_FALSE(keep_summary("of another's", before));
  CHECK(keep_summary("of this one's", read().as_of));
}

TEST_CASE_METHOD(journal_fixture,
                 "a turn whose end is on its way to the store is found with its reply") {
  CHECK(kind_of("k") == kind::fresh);
  memory_write x;
  x.owner = {"default", "ada"};
  x.memories.resize(2);
  x.memories[1].text = "answer";
  x.turns.push_back({"talk", "k", 7, 2, 99, R"({})"});
  auto storing = (*self)->request(home, caf::infinite, flow(), atom::remember_v, x);
  run();
  auto again = (*self)->request(home, caf::infinite, flow(), atom::remember_v, x);
  run();
  REQUIRE(store.writes.size() == 1);
  SECTION("it succeeds, and a second run of the turn is not stored") {
    auto pending = open_turn("k");
    store.commit();
    run();
    CHECK(store.writes.empty());
    storing.receive([](const memory_receipt&) {}, [](caf::error&) { FAIL("refused"); });
    again.receive([](const memory_receipt&) { FAIL("stored twice"); }, [](caf::error&) {});
    auto known = found(pending);
    REQUIRE(known);
    CHECK(known->what == kind::done);
  }
  SECTION("it fails, and the second run is stored in its place") {
    store.commit({ec::storage_failed, "broken on purpose", {}});
    run();
    REQUIRE(store.writes.size() == 1);
    store.commit();
    run();
    storing.receive([](const memory_receipt&) { FAIL("not refused"); }, [](caf::error&) {});
    again.receive([](const memory_receipt&) {}, [](caf::error&) { FAIL("refused"); });
    CHECK(store.rows.size() == 2);
  }
}
