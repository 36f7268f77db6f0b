#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct partition_fixture : test::turn_fixture {
  explicit partition_fixture(uint64_t seed = 1) : turn_fixture(seed) {
    home = spawn(partition, parts, [this](caf::actor_system&) {
      shards.push_back(spawn(test::fake_shard, world));
      return shards.back();
    });
  }

  std::vector<shard_actor> shards;
  partition_actor home;
};

} // namespace

TEST_CASE_METHOD(partition_fixture, "the first turn starts a session and the next ones find it") {
  say(home, 1, "hello");
  run();
  say(home, 2, "again");
  run();
  CHECK(done() == std::vector<uint64_t>{1, 2});
  CHECK(world->recents == 1);
}

TEST_CASE_METHOD(partition_fixture,
                 "an idle session is passivated and starts again with its context") {
  say(home, 1, "hello");
  run();
  pass(11min);
  pass(3min);
  say(home, 2, "again");
  run();
  CHECK(done() == std::vector<uint64_t>{1, 2});
  CHECK(world->recents == 2);
}

TEST_CASE("a turn that crosses the passivation of its session is served under any interleaving") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    partition_fixture world{seed};
    world.say(world.home, 1, "hello");
    world.run();
    world.scheduler().advance_time(12min);
    world.say(world.home, 2, "again");
    world.run();
    world.pass(3min);
    INFO("seed " << seed);
    CHECK(world.done() == std::vector<uint64_t>{1, 2});
    CHECK(world.failures().empty());
  }
}

TEST_CASE_METHOD(partition_fixture, "turns of nobody leave nothing behind") {
  say(home, 1, "hello", "companion", "");
  run();
  say(home, 2, "hello", "companion", "");
  run();
  CHECK(replies().size() == 2);
  auto drained = ask<atom::drained>(home, flow(), atom::drain_v);
  CHECK(drained);
}

TEST_CASE_METHOD(partition_fixture,
                 "a draining partition finishes what runs and refuses what comes") {
  world->model_silent = true;
  say(home, 1, "hello");
  run();
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::drain_v);
  run();
  say(home, 2, "too late");
  run();
  REQUIRE(failures().count(2) == 1);
  CHECK(failures().at(2).code == ec::unavailable);
  CHECK((*self)->mailbox().empty());
  caf::anon_send<caf::message_priority::high>(home, flow(), atom::cancel_v, client(), uint64_t{1},
                                              owner_key{"default", "ada"}, std::string{"talk"},
                                              false);
  run();
  bool answered = false;
  pending.receive([&](atom::drained) { answered = true; }, [](caf::error&) {});
  CHECK(answered);
}

TEST_CASE_METHOD(partition_fixture, "a shard that dies is started again with new sessions") {
  say(home, 1, "hello");
  run();
  caf::anon_send_exit(shards.at(0), caf::exit_reason::kill);
  run();
  say(home, 2, "again");
  run();
  CHECK(shards.size() == 2);
  CHECK(replies().count(2) == 1);
  CHECK(replies().at(2).degraded.empty());
}

TEST_CASE_METHOD(partition_fixture, "after forget a running session holds nothing of its owner") {
  world->recent = {line("ada", "my cat is called Tux", false)};
  say(home, 1, "hello");
  run();
  world->recent.clear();
  auto receipt = ask<forget_receipt>(home, flow(), atom::forget_v, owner_key{"default", "ada"});
  REQUIRE(receipt);
  CHECK(receipt->memories == 2);
  say(home, 2, "what is my cat called?");
  run();
  CHECK(world->prompts.back().messages.size() == 2);
}
