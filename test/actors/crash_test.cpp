// A turn with a key is stopped at each of its messages, by the end of the process or of one of its
// actors, and asked for again: its effect is there once, and nothing that was answered is lost.
#include "actors/shard.hpp"
#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// What survives a process: committed at once, until it is cut off.
struct disk {
  std::map<std::string, memory_write> owners;
  bool cut = false;

  void apply(store_write x) {
    auto& to = owners[x.owner.owner];
    to.owner = x.owner;
    for (auto& y : x.memories)
      to.memories.push_back(std::move(y));
    for (auto& y : x.turns) {
      std::erase_if(to.turns, [&](auto& z) { return z.key == y.key; });
      to.turns.push_back(std::move(y));
    }
  }

  std::vector<std::string> lines(const std::string& owner) {
    std::vector<std::string> result;
    for (auto& x : owners[owner].memories)
      result.push_back(x.text);
    return result;
  }
};

store_writer_actor::behavior_type disk_writer(store_writer_actor::pointer self, disk* to) {
  return {[=](const context& ctx, atom::write, const store_client_actor& client, uint64_t ticket,
              store_write& x) {
            if (to->cut)
              return;
            to->apply(std::move(x));
            self->send<caf::message_priority::high>(client, ctx, atom::committed_v, ticket,
                                                    failure{});
          },
          [](const context&, atom::drain) { return atom::drained_v; }};
}

part_reader_actor::behavior_type disk_reader(part_reader_actor::pointer self, disk* from) {
  return {[=](const context& ctx, atom::load, const shard_actor& to, const owner_key& owner) {
            auto found = from->owners[owner.owner];
            found.owner = owner;
            found.vectors.resize(found.memories.size());
            self->send<caf::message_priority::high>(to, ctx, atom::loaded_v, std::move(found),
                                                    failure{});
          },
          [](const context&, atom::load, const owner_key&, uint64_t) { return memory_write{}; },
          [](const context&, atom::list, const spoken_by&) { return std::vector<spoken_lines>{}; }};
}

/// As `fake_emotion`, and shows who asked: the session.
emotion_actor::behavior_type watching_emotion(emotion_actor::pointer self,
                                              caf::strong_actor_ptr* asker) {
  return {[=](const context&, atom::analyse, const std::string&) {
            *asker = self->current_sender();
            return emotion_reading{};
          },
          [](const context&, atom::analyse, const std::vector<std::string>& xs) {
            return std::vector<emotion_reading>(xs.size());
          },
          [](const context&, atom::write, const std::vector<std::string>&) {
            return std::string{"{}"};
          }};
}

/// One process over a disk.
struct process : test::turn_fixture {
  process(uint64_t seed, disk& on) : turn_fixture(seed), choice(seed * 7919 + 1) {
    auto with = std::make_shared<session_parts>(*parts);
    with->emotion = spawn(watching_emotion, &session);
    parts = with;
    auto to = spawn(disk_writer, &on);
    auto from = spawn(disk_reader, &on);
    home = spawn(
        partition, parts,
        [this, to, from](caf::actor_system&) {
          shards.push_back(spawn(sotto::shard, shard_options{}, to, from, shard_embedder{},
                                 std::make_shared<memory_account>(), uint64_t{1}));
          return shards.back();
        },
        listened_partition_actor{});
  }

  ~process() { session = nullptr; }

  void ask_turn(uint64_t ticket, const std::string& text, const std::string& key) {
    auto x = request(text);
    x.idempotency_key = key;
    caf::anon_send(home, flow(), atom::say_v, client(), ticket, std::move(x));
  }

  /// Runs so many steps in an order that the seed chooses; says whether there were as many.
  bool steps(size_t count) {
    auto& jobs = scheduler().jobs;
    for (; count > 0 && !jobs.empty(); --count) {
      std::swap(jobs.front(), jobs[choice() % jobs.size()]);
      scheduler().run_once();
    }
    return count == 0;
  }

  std::vector<shard_actor> shards;
  caf::strong_actor_ptr session;
  partition_actor home;
  splitmix choice;
};

const std::vector<std::string> one_pair{"hello", "echo: hello"};

/// Whether the client's second answer agrees with the first, where there was one.
void agree(const process& first, const process& second) {
  REQUIRE(second.replies().count(2) == 1);
  auto& again = second.replies().at(2);
  CHECK(again.text == "echo: hello");
  if (first.replies().count(1) == 0)
    return;
  CHECK(again.text == first.replies().at(1).text);
  CHECK_FALSE(again.restarted);
}

} // namespace

TEST_CASE("a process that ends at any step of a turn leaves it whole or not begun, and the retry "
          "speaks once") {
  size_t crashes = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    auto crashed = true;
    for (size_t step = 0; crashed; ++step, ++crashes) {
      INFO("seed " << seed << ", step " << step);
      disk on;
      process first{seed, on};
      first.ask_turn(1, "hello", "k");
      crashed = first.steps(step);
      disk left = on;
      on.cut = true; // what the first process does from here on never happened
      auto whole = left.lines("ada") == one_pair;
      auto begun = !left.owners["ada"].turns.empty();
      CHECK((whole || left.lines("ada").empty()));
      process second{seed + 100, left};
      second.ask_turn(2, "hello", "k");
      second.run();
      agree(first, second);
      CHECK(left.lines("ada") == one_pair);
      CHECK(second.world->prompts.size() == (whole ? 0 : 1));
      CHECK(second.replies().at(2).restarted == (begun && !whole));
      if (first.replies().count(1) != 0)
        CHECK(whole);
    }
  }
  CHECK(crashes > 100);
}

TEST_CASE("a shard or a session that dies at any step of a turn takes nothing with it, and the "
          "retry speaks once") {
  enum class victim { shard, session };
  size_t deaths = 0;
  for (auto who : {victim::shard, victim::session})
    for (uint64_t seed = 1; seed <= 12; ++seed)
      for (size_t step = 1;; ++step) {
        INFO("victim " << static_cast<int>(who) << ", seed " << seed << ", step " << step);
        disk on;
        process x{seed, on};
        x.ask_turn(1, "hello", "k");
        if (!x.steps(step))
          break;
        auto dies = who == victim::session ? x.session
                    : x.shards.empty()     ? nullptr
                                       : caf::actor_cast<caf::strong_actor_ptr>(x.shards.back());
        if (dies) {
          ++deaths;
          caf::anon_send_exit(dies, caf::exit_reason::kill);
        }
        // The client asks again at once, while the rest of the first turn is still on its way.
        x.steps(seed % 5);
        x.ask_turn(2, "hello", "k");
        x.run();
        x.pass(20s);
        x.pass(60s);
        x.ask_turn(3, "hello", "k");
        x.run();
        REQUIRE(x.replies().count(3) == 1);
        CHECK(x.replies().at(3).text == "echo: hello");
        CHECK(on.lines("ada") == one_pair);
        for (uint64_t ticket : {1, 2})
          if (x.replies().count(ticket) != 0)
            CHECK(x.replies().at(ticket).text == "echo: hello");
      }
  CHECK(deaths > 100);
}

TEST_CASE("turns of a conversation keep their order through the death of its actors") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    disk on;
    process x{seed, on};
    // A client that sends the next turn when the one before is answered or lost, and asks again
    // for what was lost.
    const std::vector<std::string> said{"one", "two", "three", "four"};
    uint64_t ticket = 0;
    for (auto& text : said) {
      auto kill_at = x.choice() % 40;
      x.ask_turn(++ticket, text, text);
      x.steps(kill_at);
      if (x.session && x.choice() % 2 == 0)
        caf::anon_send_exit(x.session, caf::exit_reason::kill);
      else if (!x.shards.empty())
        caf::anon_send_exit(x.shards.back(), caf::exit_reason::kill);
      x.run();
      x.pass(61s);
      // An answer may come although the store failed; then it says so.
      auto done = [&] {
        return x.replies().count(ticket) != 0 && x.replies().at(ticket).memory_stored;
      };
      for (int tries = 0; tries < 3 && !done(); ++tries) {
        x.ask_turn(++ticket, text, text);
        x.run();
        x.pass(61s);
      }
      REQUIRE(done());
    }
    std::vector<std::string> expected;
    for (auto& text : said) {
      expected.push_back(text);
      expected.push_back("echo: " + text);
    }
    CHECK(on.lines("ada") == expected);
  }
}

TEST_CASE("control messages reach a session under any interleaving with its passivation") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    disk on;
    process x{seed, on};
    x.ask_turn(1, "hello", "k");
    x.run();
    x.world->model_silent = true;
    x.scheduler().advance_time(11min);
    x.ask_turn(2, "again", "l");
    x.steps(seed % 20);
    caf::anon_send<caf::message_priority::high>(x.home, x.flow(), atom::cancel_v, x.client(),
                                                uint64_t{2}, owner_key{"default", "ada"},
                                                std::string{"talk"}, false);
    x.run();
    // The turn is gone, wherever the cancel met it; a drain ends the rest.
    auto drained = (*x.self)->request(x.home, caf::infinite, x.flow(), atom::drain_v);
    x.run();
    x.pass(61s);
    x.pass(11s);
    auto ended = false;
    REQUIRE_FALSE((*x.self)->mailbox().empty());
    drained.receive([&](atom::drained) { ended = true; }, [](caf::error&) {});
    CHECK(ended);
  }
}
