#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct partition_fixture : test::turn_fixture {
  explicit partition_fixture(
      uint64_t seed = 1,
      std::shared_ptr<memory_account> memory = std::make_shared<memory_account>(),
      caf::timespan keep = caf::timespan{0})
      : turn_fixture(seed) {
    auto with = std::make_shared<session_parts>(*parts);
    with->memory = account = std::move(memory);
    with->options.keep_context = keep;
    parts = with;
    home = spawn(
        partition, parts,
        [this](caf::actor_system&) {
          shards.push_back(spawn(test::fake_shard, world));
          return shards.back();
        },
        listened_partition_actor{});
  }

  std::vector<shard_actor> shards;
  partition_actor home;
  std::shared_ptr<memory_account> account;
};

struct keeping_fixture : partition_fixture {
  keeping_fixture() : partition_fixture(1, std::make_shared<memory_account>(), 30min) {}

  /// A conversation that was, and whose session has left.
  void leave() {
    world->recent = {line("ada", "my cat is called Tux", false)};
    say(home, 1, "hello");
    run();
    pass(11min);
    pass(1s);
    REQUIRE(account->live == 0);
  }
};

std::shared_ptr<memory_account> room_for(uint64_t sessions) {
  return std::make_shared<memory_account>(sessions, memory_account::no_limit, 0);
}

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

TEST_CASE_METHOD(
    partition_fixture,
    "when a user's lines in groups go, sessions of those groups hold nothing of them") {
  auto prompt_lines = [&](uint64_t ticket, const std::string& owner) {
    say(home, ticket, "hello", "companion", owner);
    run();
    return world->prompts.back().messages.size();
  };
  for (auto* owner : {"channel:den", "channel:attic", "ada"})
    prompt_lines(1, owner);
  auto with_context = prompt_lines(2, "channel:den");
  world->store_fails = GENERATE(false, true);
  auto receipt =
      ask<spoken_receipt>(home, flow(), atom::forget_v, spoken_by{{"default", "ada"}, 0});
  CHECK(receipt.engaged() == !world->store_fails);
  auto failed = std::exchange(world->store_fails, false);
  CHECK(prompt_lines(3, "channel:den") < with_context);
  // Where it is not known what went, no group's is trusted.
  CHECK((prompt_lines(4, "channel:attic") < with_context) == failed);
  CHECK(prompt_lines(5, "ada") == with_context);
}

TEST_CASE("a thousand idle sessions leave at their time, not a few at each look") {
  partition_fixture x;
  for (uint64_t i = 1; i <= 1000; ++i)
    x.say(x.home, i, "hello", "companion", "user-" + std::to_string(i));
  x.run();
  CHECK(x.account->live == 1000);
  x.pass(13min);
  CHECK(x.account->live == 0);
  CHECK(x.account->session_bytes == 0);
  CHECK(x.account->passivated[static_cast<size_t>(leaving::idle)] == 1000);
}

TEST_CASE("a flood of conversations stays within the limit, and those that people return to stay") {
  constexpr uint64_t most = 64;
  partition_fixture x{1, room_for(most)};
  uint64_t ticket = 0;
  auto regulars = [&] {
    for (int i = 0; i < 8; ++i)
      x.say(x.home, ++ticket, "hello", "companion", "regular-" + std::to_string(i));
    x.run();
  };
  for (int i = 0; i < 10; ++i)
    regulars();
  for (int i = 0; i < 2000; ++i) {
    x.say(x.home, ++ticket, "hello", "companion", "flood-" + std::to_string(i));
    x.run();
    CHECK(x.account->live <= static_cast<int64_t>(most));
    if (i % 100 == 0)
      regulars();
  }
  CHECK(x.failures().empty());
  CHECK(x.replies().size() == ticket);
  auto started = x.account->started.load();
  regulars();
  CHECK(x.account->started == started);
}

TEST_CASE("where all sessions are in use, new conversations are refused and the others go on") {
  partition_fixture x{1, room_for(8)};
  x.world->model_silent = true;
  for (uint64_t i = 1; i <= 20; ++i) {
    x.say(x.home, i, "hello", "companion", "user-" + std::to_string(i));
    x.run();
  }
  CHECK(x.account->live == 8);
  CHECK(x.failures().size() == 12);
  for (auto& [ticket, why] : x.failures()) {
    CHECK(why.code == ec::overloaded);
    CHECK(why.retry_after > 0);
  }
  CHECK(x.account->refused == 12);
  // Who is in has its next turn queued as ever.
  x.say(x.home, 30, "again", "companion", "user-1");
  x.run();
  CHECK(x.failures().count(30) == 0);
}

TEST_CASE("sessions leave where owners and sessions hold too much memory") {
  auto memory = std::make_shared<memory_account>(memory_account::no_limit, 1 << 20, 0);
  partition_fixture x{1, memory};
  for (uint64_t i = 1; i <= 2000; ++i) {
    x.say(x.home, i, std::string(2000, 'a'), "companion", "user-" + std::to_string(i));
    x.run();
    CHECK(memory->bytes() <= 1 << 20);
  }
  CHECK(x.failures().empty());
  CHECK(memory->passivated[static_cast<size_t>(leaving::memory)] > 0);
  memory->owner_bytes += 1 << 20; // as shards would
  for (int i = 0; i < 60; ++i)
    x.pass(1s);
  CHECK(memory->live == 0);
}

TEST_CASE_METHOD(keeping_fixture,
                 "a session that comes back soon has its context without asking the store") {
  leave();
  CHECK(account->kept_bytes > 0);
  say(home, 2, "what is my cat called?");
  run();
  CHECK(world->recents == 1);
  CHECK(account->kept_hits == 1);
  CHECK(account->kept_bytes == 0);
  auto& prompt = world->prompts.back().messages;
  REQUIRE(prompt.size() == 5);
  CHECK(prompt[1].content == "my cat is called Tux");
  CHECK(prompt[2].content == "hello");
}

TEST_CASE_METHOD(keeping_fixture, "what is kept is dropped in time") {
  leave();
  pass(31min);
  pass(1s);
  CHECK(account->kept_bytes == 0);
  say(home, 2, "again");
  run();
  CHECK(world->recents == 2);
}

TEST_CASE_METHOD(keeping_fixture, "nothing is kept of what was forgotten, removed or added to") {
  leave();
  owner_key ada{"default", "ada"};
  SECTION("forget") {
    REQUIRE(ask<forget_receipt>(home, flow(), atom::forget_v, ada));
  }
  SECTION("remove") {
    REQUIRE(ask<bool>(home, flow(), atom::remove_v, ada, std::string{"1"}));
  }
  SECTION("remember") {
    memory_write x;
    x.owner = ada;
    x.memories.resize(1);
    REQUIRE(ask<memory_receipt>(home, flow(), atom::remember_v, x));
  }
  CHECK(account->kept_bytes == 0);
  say(home, 2, "again");
  run();
  CHECK(world->recents == 2);
}

TEST_CASE_METHOD(keeping_fixture, "a session that was live during such a write leaves nothing") {
  say(home, 1, "hello");
  run();
  memory_write x;
  x.owner = {"default", "ada"};
  x.memories.resize(1);
  REQUIRE(ask<memory_receipt>(home, flow(), atom::remember_v, x));
  pass(13min);
  CHECK(account->live == 0);
  CHECK(account->kept_bytes == 0);
}
