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
    x.turns.push_back({"talk", key, 7, 2, 99, R"({})"});
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::remember_v, std::move(x));
    run();
    store.commit();
    run();
    pending.receive([&](memory_receipt& r) { receipt = r; }, [](caf::error&) { FAIL("refused"); });
  }

  bool keep_summary(std::string text, int64_t made) {
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::summarise_v,
                                    owner_key{"default", "ada"},
                                    summary_record{"talk", std::move(text), 2}, made);
    run();
    if (!store.writes.empty())
      store.commit();
    run();
    bool kept = false;
    pending.receive([&](bool x) { kept = x; }, [](caf::error&) { FAIL("refused"); });
    return kept;
  }

  std::string summary() {
    auto end = ask<conversation_end>(home, flow(), atom::recent_v, owner_key{"default", "ada"},
                                     std::string{"talk"}, uint32_t{10});
    REQUIRE(end);
    return end->before.text;
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
  CHECK(keep_summary("first", wall_micros));
  CHECK(summary() == "first");
  pass(1s);
  auto begun = wall_micros;
  pass(1s);
  auto removing = (*self)->request(home, caf::infinite, flow(), atom::remove_v,
                                   owner_key{"default", "ada"}, receipt.ids[0]);
  run();
  store.commit();
  run();
  removing.receive([](bool removed) { CHECK(removed); }, [](caf::error&) { FAIL("refused"); });
  CHECK(summary().empty());
  CHECK_FALSE(keep_summary("second", begun));
  CHECK(summary().empty());
  pass(1s);
  CHECK(keep_summary("third", wall_micros));
  CHECK(summary() == "third");
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
