// A SHARD that is started again while STORE WRITER still has what its predecessor handed over.
#include "test/actors/shard_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(shard_fixture, "a shard that was started again after a crash loads nothing before "
                                "its predecessor's writes are stored") {
  remember("a", "tea with milk"); // on its way to the disk
  remember("", "black coffee");
  restart();
  auto again = remember("a", "tea with milk");
  auto next = remember("b", "green tea");
  CHECK(store.loads == 0);
  store.commit();
  run();
  CHECK(store.loads == 0);
  store.commit();
  run();
  CHECK(store.loads == 1);
  auto known = result(again);
  REQUIRE(known);
  CHECK_FALSE(known->created[0]);
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.memories[0].seq == 3);
  store.commit();
  CHECK(result(next));
  CHECK(store.rows.size() == 3);
}

TEST_CASE_METHOD(shard_fixture,
                 "a write of its predecessor that was refused is not in what a shard "
                 "that was started again holds") {
  remember("a", "tea with milk");
  restart();
  auto again = remember("a", "tea with milk");
  store.commit({ec::storage_failed, "disk full", {}});
  run();
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.memories[0].seq == 1);
  store.commit();
  auto receipt = result(again);
  REQUIRE(receipt);
  CHECK(receipt->created[0]);
}

TEST_CASE_METHOD(shard_fixture, "the turns of its predecessor that are on their way are known to a "
                                "shard that was started again") {
  auto open = [&] {
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::journal_v,
                                    turn_opening{{"default", "ada"}, "talk", "key", 1});
    run();
    return pending;
  };
  open();
  restart();
  auto pending = open();
  CHECK((*self)->mailbox().empty());
  REQUIRE(store.writes.size() == 1);
  store.turns = store.writes.front().write.turns; // stored by the commit
  store.commit();
  run();
  REQUIRE_FALSE((*self)->mailbox().empty());
  pending.receive([](const turn_found& x) { CHECK(x.what == turn_found::kind::interrupted); },
                  [](caf::error&) { FAIL("refused"); });
}

TEST_CASE_METHOD(shard_fixture, "what users said in groups is looked for when the writes of a "
                                "crashed predecessor are stored") {
  remember("a", "tea with milk", "channel:room");
  restart();
  store.spoken = {{{"default", "channel:room"}, {1}}};
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::forget_v,
                                  spoken_by{{"default", "ada"}, 0});
  run();
  CHECK(store.loads == 0);
  CHECK(store.writes.size() == 1);
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.seqs == std::vector<uint64_t>{1});
  store.commit();
  run();
  REQUIRE_FALSE((*self)->mailbox().empty());
  pending.receive([](const spoken_receipt& x) { CHECK(x.memories == 1); },
                  [](caf::error&) { FAIL("refused"); });
}

TEST_CASE_METHOD(shard_fixture,
                 "a shard asks once whether something of a predecessor is under way") {
  CHECK(found("tea", "ada").empty());
  CHECK(found("tea", "bob").empty());
  auto pending = remember("a", "tea");
  CHECK(found("tea", "eve").empty()); // its own writes do not keep others waiting
  store.commit();
  CHECK(result(pending));
  CHECK(store.drains_asked == 1);
  CHECK(store.loads == 3);
}

TEST_CASE_METHOD(shard_fixture,
                 "a writer that is silent fails what waits for it, and is asked again") {
  store.writer_silent = true;
  memory_query query;
  query.owner = {"default", "ada"};
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::recall_v, query);
  auto spoken = (*self)->request(home, caf::infinite, flow(), atom::forget_v,
                                 spoken_by{{"default", "ada"}, 0});
  pass(5s);
  CHECK((*self)->mailbox().empty());
  for (int i = 0; i < 8; ++i)
    pass(1s);
  REQUIRE_FALSE((*self)->mailbox().empty());
  auto is_late = [](const caf::error& x) { CHECK(to_failure(x).code == ec::timeout); };
  pending.receive([](std::vector<recalled>&) { FAIL("answered"); }, is_late);
  REQUIRE_FALSE((*self)->mailbox().empty());
  spoken.receive([](spoken_receipt&) { FAIL("answered"); }, is_late);
  CHECK(store.loads == 0);
  store.writer_silent = false;
  CHECK(found("tea").empty());
  CHECK(store.loads == 1);
}

TEST_CASE_METHOD(shard_fixture, "what is late once a predecessor's writes are stored is not done") {
  remember("", "tea");
  restart();
  memory_write write;
  write.owner = {"default", "ada"};
  write.memories.resize(1);
  auto pending =
      (*self)->request(home, caf::infinite, flow(priority::normal, 2s), atom::remember_v, write);
  pass(3s);
  store.commit();
  run();
  CHECK(store.writes.empty());
  REQUIRE_FALSE((*self)->mailbox().empty());
  pending.receive([](const memory_receipt&) { FAIL("done"); },
                  [](const caf::error& x) { CHECK(to_failure(x).code == ec::timeout); });
}
