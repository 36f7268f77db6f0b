#include "test/actors/shard_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// SHARD with a group in which ada and bob spoke.
struct group_fixture : shard_fixture {
  group_fixture() {
    for (uint64_t i = 1; i <= 4; ++i) {
      memory x;
      x.seq = i;
      x.id = "m" + std::to_string(i);
      x.text = "tea number " + std::to_string(i);
      store.rows.push_back(x);
    }
    store.spoken = {{den, {1, 3}}};
  }

  auto forget_ada(caf::timespan budget = 0s) {
    auto pending = (*self)->request(home, caf::infinite, flow(priority::normal, budget),
                                    atom::forget_v, spoken_by{{"default", "ada"}, 0});
    run();
    return pending;
  }

  owner_key den{"default", "channel:den"};
};

} // namespace

TEST_CASE_METHOD(group_fixture, "what a user said in a group goes, and no other line") {
  auto pending = forget_ada();
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.what == store_write::kind::remove);
  CHECK(store.writes[0].write.owner == den);
  CHECK(store.writes[0].write.seqs == std::vector<uint64_t>{1, 3});
  CHECK((*self)->mailbox().empty());
  store.commit();
  run();
  pending.receive(
      [&](const spoken_receipt& x) {
        CHECK(x.memories == 2);
        CHECK(x.groups == std::vector<owner_key>{den});
      },
      [](caf::error&) { FAIL("refused"); });
  auto left = found("tea", "channel:den");
  CHECK(std::set<std::string>{left.begin(), left.end()} == std::set<std::string>{"m2", "m4"});
}

TEST_CASE_METHOD(group_fixture, "lines on their way to the store are waited for, later ones stay") {
  remember("n1", "on its way", "channel:den");
  auto pending = forget_ada();
  REQUIRE(store.writes.size() == 1); // the store is not asked who said what before it knows
  remember("n2", "said after", "channel:den");
  store.spoken[0].seqs.push_back(5);
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1); // the removal follows what was sent before it
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.seqs == std::vector<uint64_t>{1, 3, 5});
  store.commit();
  run();
  pending.receive([&](const spoken_receipt& x) { CHECK(x.memories == 3); },
                  [](caf::error&) { FAIL("refused"); });
  auto left = found("tea", "channel:den");
  CHECK(std::set<std::string>{left.begin(), left.end()} == std::set<std::string>{"m2", "m4", "n2"});
}

TEST_CASE_METHOD(group_fixture, "where a line could not be removed the answer says so") {
  auto pending = forget_ada();
  store.commit({ec::storage_failed, "disk full", {}});
  run();
  pending.receive([](const spoken_receipt&) { FAIL("done"); },
                  [](caf::error& e) { CHECK(to_failure(e).code == ec::storage_failed); });
  CHECK(found("tea", "channel:den").size() == 4);
}

TEST_CASE_METHOD(group_fixture, "nothing is removed for somebody who waited for too long") {
  remember("n1", "on its way", "channel:den");
  auto pending = forget_ada(1s);
  pass(2s);
  store.commit();
  run();
  CHECK(store.writes.empty());
  pending.receive([](const spoken_receipt&) { FAIL("done"); },
                  [](caf::error& e) { CHECK(to_failure(e).code == ec::timeout); });
}

TEST_CASE_METHOD(group_fixture, "a user who said nothing in groups is forgotten at once") {
  store.spoken.clear();
  auto pending = forget_ada();
  CHECK(store.writes.empty());
  pending.receive([](const spoken_receipt& x) { CHECK(x.memories == 0); },
                  [](caf::error&) { FAIL("refused"); });
}
