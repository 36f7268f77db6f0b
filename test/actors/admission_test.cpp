#include "actors/admission.hpp"

#include <set>

#include "runtime/refusals.hpp"
#include "test/actors/turn_fixture.hpp"
#include "test/metrics_text.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct admission_fixture : test::turn_fixture {
  explicit admission_fixture(uint64_t seed = 1, uint32_t slots = 2) : turn_fixture(seed) {
    auto shared = std::make_shared<session_parts>(*parts);
    shared->load = load;
    shared->admission.fewer_memories = 0;
    shared->admission.allow_builtin = true;
    home = spawn(partition, std::shared_ptr<const session_parts>{shared},
                 shard_factory{[this](caf::actor_system&) {
                   shards.push_back(spawn(test::fake_shard, world));
                   return shards.back();
                 }},
                 listened_partition_actor{});
    admission_parts with;
    with.options.max_running = slots;
    with.options.max_waiting = 50;
    with.home = [this](const owner_key&) -> const partition_actor& { return home; };
    with.load = load;
    with.figures = [this] { return figures; };
    with.memory = 1000;
    door = spawn(admission, std::move(with));
  }

  void say(uint64_t ticket, const std::string& owner, std::string text = "hello",
           std::optional<priority> level = std::nullopt, caf::timespan budget = 0s,
           const std::string& persona = "companion") {
    auto x = request(std::move(text), persona, owner);
    x.level_given = level.has_value();
    x.level = level.value_or(priority::normal);
    x.idempotency_key = std::exchange(key, {});
    caf::anon_send(door, flow(priority::normal, budget), atom::say_v, client(), ticket,
                   std::move(x));
  }

  void cancel(uint64_t ticket, const std::string& owner) {
    caf::anon_send<caf::message_priority::high>(door, flow(), atom::cancel_v, client(), ticket,
                                                owner_key{"default", owner}, std::string{"talk"},
                                                false);
  }

  /// What befell turns, by the records of all flows.
  std::multiset<std::string> notes() {
    std::multiset<std::string> result;
    for (auto& x : services->flows.find(0, 0))
      if (*x.note != 0)
        result.insert(std::string{x.receiver_type} + ' ' + x.note);
    return result;
  }

  std::string metrics() { return test::metrics_of(*services); }

  std::shared_ptr<node_load> load = std::make_shared<node_load>();
  process_figures figures;
  std::string key;
  std::vector<shard_actor> shards;
  partition_actor home;
  admission_actor door;
};

} // namespace

TEST_CASE_METHOD(admission_fixture, "turns pass, and the reply says at which level") {
  say(1, "ada", "hello");
  say(2, "bob", "it is urgent");
  say(3, "eve", "it is urgent", priority::background);
  run();
  REQUIRE(replies().size() == 3);
  CHECK(replies().at(1).level == priority::normal);
  CHECK(replies().at(2).level == priority::high);
  CHECK(replies().at(3).level == priority::background);
  auto text = metrics();
  CHECK(text.find("sotto_admission_turns_total/high/served=1") != std::string::npos);
  CHECK(text.find("sotto_admission_turns_total/background/served=1") != std::string::npos);
}

TEST_CASE_METHOD(admission_fixture,
                 "no more turns run than there are slots; the important go first") {
  world->model_silent = true;
  say(1, "a");
  say(2, "b");
  run();
  say(3, "c", "later", priority::low);
  say(4, "d", "now", priority::critical);
  run();
  CHECK(world->prompts.size() == 2);
  world->model_silent = false;
  cancel(1, "a");
  run();
  REQUIRE(done().size() == 2);
  CHECK(done() == std::vector<uint64_t>{4, 3});
}

TEST_CASE_METHOD(admission_fixture, "a turn that waits for a provider leaves its slot to others") {
  world->model_silent = true;
  for (uint64_t i = 1; i <= 5; ++i)
    say(i, std::to_string(i), "hello", {}, 0s, "remote");
  run();
  CHECK(world->prompts.size() == 5);
}

TEST_CASE_METHOD(admission_fixture, "who waits past the deadline is told by a timer") {
  world->model_silent = true;
  say(1, "a");
  say(2, "b");
  run();
  say(3, "c", "hello", {}, 40ms);
  run();
  pass(30ms);
  CHECK(failures().empty());
  pass(11ms);
  REQUIRE(failures().count(3) == 1);
  CHECK(failures().at(3).code == ec::timeout);
  pass(1s);
  CHECK(world->prompts.size() == 2);
}

TEST_CASE_METHOD(admission_fixture, "a turn that is given up while it waits never runs") {
  world->model_silent = true;
  say(1, "a");
  say(2, "b");
  say(3, "c");
  run();
  cancel(3, "c");
  world->model_silent = false;
  run();
  cancel(1, "a");
  cancel(2, "b");
  run();
  CHECK(done().empty());
  CHECK(world->prompts.size() == 2);
}

TEST_CASE_METHOD(admission_fixture,
                 "a retry joins the turn that runs, though all slots are taken") {
  world->model_silent = true;
  key = "k";
  say(1, "a");
  say(2, "b");
  run();
  key = "k";
  say(3, "a");
  run();
  CHECK(world->prompts.size() == 2);
  for (auto& x : shards)
    caf::anon_send_exit(x, caf::exit_reason::kill);
  run();
  CHECK(failures().size() == 3); // the joined one was told as well
}

TEST_CASE_METHOD(admission_fixture, "an overloaded node spares work step by step, and says so") {
  say(1, "a");
  run();
  load->step = overload_step::fewer_memories;
  say(2, "a");
  run();
  load->step = overload_step::no_analysers;
  auto recalls = world->recalls;
  say(3, "a");
  run();
  load->step = overload_step::normal;
  say(4, "a");
  run();
  using names = std::vector<std::string>;
  REQUIRE(replies().size() == 4);
  CHECK(replies().at(1).degraded.empty());
  CHECK(replies().at(2).degraded == names{"overload:fewer_memories"});
  CHECK(replies().at(3).degraded == names{"overload:cached_context", "overload:no_analysers"});
  CHECK(replies().at(3).memories.size() == 1); // those of the turn before
  CHECK(replies().at(3).topics.empty());
  CHECK(world->recalls == recalls + 1);
  CHECK(replies().at(4).degraded.empty());
  CHECK(replies().at(4).topics.size() == 1);
  CHECK(notes()
        == std::multiset<std::string>{"session overload:fewer_memories",
                                      "session overload:cached_context",
                                      "session overload:no_analysers"});
}

TEST_CASE_METHOD(admission_fixture, "what a step left out stands in the trace of its turn alone") {
  load->step = overload_step::no_analysers;
  auto spared = flow(), other = flow();
  caf::anon_send(door, spared, atom::say_v, client(), uint64_t{1}, request("hello"));
  run();
  load->step = overload_step::normal;
  caf::anon_send(door, other, atom::say_v, client(), uint64_t{2}, request("hello"));
  run();
  auto notes_of = [&](const context& x) {
    std::vector<std::string> result;
    for (auto& y : services->flows.find(x.trace_hi, x.trace_lo))
      if (*y.note != 0)
        result.emplace_back(y.note);
    return result;
  };
  CHECK(notes_of(spared)
        == std::vector<std::string>{"overload:cached_context", "overload:no_analysers"});
  CHECK(notes_of(other).empty());
}

TEST_CASE_METHOD(admission_fixture, "a full node refuses who floods and serves the other tenant") {
  world->model_silent = true;
  for (auto& x : load->room)
    x = 10;
  uint64_t ticket = 0;
  auto say_as = [&](const char* tenant, int count) {
    auto before = failures().size();
    for (int i = 0; i < count; ++i) {
      auto x = request("hello", "companion", std::string{tenant} + std::to_string(ticket));
      x.owner.tenant = tenant;
      caf::anon_send(door, flow(), atom::say_v, client(), ++ticket, std::move(x));
      run();
    }
    return failures().size() - before;
  };
  CHECK(say_as("flood", 20) == 8); // two run and ten wait
  CHECK(say_as("polite", 8) == 3); // a share of five
  CHECK(say_as("late", 1) == 0);
  CHECK(say_as("flood", 5) == 5);
}

TEST_CASE_METHOD(admission_fixture,
                 "the builtin responder takes the place of models where it may") {
  load->step = overload_step::builtin_responder;
  say(1, "a", "hello", {}, 0s, "remote");
  say(2, "b", "hello");
  run();
  for (auto& x : world->prompts)
    CHECK(x.deployments.empty());
  REQUIRE(replies().size() == 2);
  CHECK(replies().at(1).degraded.back() == "overload:builtin_responder");
  CHECK(replies().at(2).degraded.back() == "overload:no_analysers"); // it has no model anyway
}

TEST_CASE_METHOD(admission_fixture, "what was forgotten is not used again while the node is busy") {
  load->step = overload_step::fewer_memories;
  say(1, "a");
  run();
  (void)ask<forget_receipt>(home, flow(), atom::forget_v, owner_key{"default", "a"});
  load->step = overload_step::cached_context;
  say(2, "a");
  run();
  CHECK(replies().at(1).memories.size() == 1);
  CHECK(replies().at(2).memories.empty());
}

TEST_CASE_METHOD(admission_fixture, "a full node refuses, and says when to come again") {
  figures.resident = 2000;
  say(1, "a");
  pass(150ms);
  CHECK(load->step.load() == overload_step::refuse);
  CHECK(load->refuses(priority::high, tenant_number("default")));
  say(2, "b", "please", priority::high);
  say(3, "c", "please", priority::critical);
  run();
  REQUIRE(failures().count(2) == 1);
  CHECK(failures().at(2).code == ec::overloaded);
  CHECK(failures().at(2).retry_after >= 1);
  CHECK(notes().count("admission overload:refuse") == 1);
  CHECK(replies().count(3) == 1);
  CHECK(metrics().find("sotto_overload_step=5") != std::string::npos);
  figures.resident = 10;
  for (int i = 0; i < 70; ++i)
    pass(100ms);
  CHECK(load->step.load() == overload_step::normal);
  CHECK_FALSE(load->refuses(priority::background, tenant_number("default")));
}

TEST_CASE_METHOD(admission_fixture, "where many are refused the answers are held back") {
  figures.resident = 2000;
  say(1, "a");
  pass(150ms);
  for (uint64_t i = 2; i < 102; ++i)
    say(i, "b", "please", priority::low);
  run();
  CHECK(failures().size() == refusals_told_at_once);
  pass(900ms);
  CHECK(failures().size() == refusals_told_at_once);
  pass(200ms);
  CHECK(failures().size() == 100);
}

TEST_CASE_METHOD(admission_fixture, "draining waits for what was let in and refuses what comes") {
  world->model_silent = true;
  say(1, "a");
  say(2, "b");
  run();
  auto pending = (*self)->request(door, caf::infinite, context{}, atom::drain_v);
  say(3, "c");
  run();
  CHECK(failures().at(3).code == ec::unavailable);
  CHECK((*self)->mailbox().empty());
  cancel(1, "a");
  cancel(2, "b");
  run();
  auto drained = false;
  pending.receive([&](atom::drained) { drained = true; }, [](caf::error&) {});
  CHECK(drained);
}

TEST_CASE("whatever is cancelled or crashes, every turn is answered once, in order, and every slot "
          "comes back") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    splitmix random{seed};
    admission_fixture node{seed, 3};
    std::map<std::string, std::vector<uint64_t>> said;
    std::set<uint64_t> given_up;
    std::map<uint64_t, std::string> owner_of;
    uint64_t ticket = 0;
    auto crashes = 0;
    for (int i = 0; i < 200; ++i) {
      auto what = random() % 20;
      if (what < 12) {
        auto owner = std::string(1, static_cast<char>('a' + random() % 6));
        owner_of[++ticket] = owner;
        said[owner].push_back(ticket);
        node.say(ticket, owner, "hello", static_cast<priority>(random() % priority_levels));
      } else if (what < 15 && ticket > 0) {
        auto x = 1 + random() % ticket;
        if (given_up.insert(x).second)
          node.cancel(x, owner_of[x]);
      } else if (what == 15 && crashes < 4 && !node.shards.empty()) {
        ++crashes;
        caf::anon_send_exit(node.shards.back(), caf::exit_reason::kill);
      } else {
        for (auto steps = random() % 60; steps > 0 && !node.scheduler().jobs.empty(); --steps)
          node.scheduler().run_once();
      }
    }
    node.pass(3s);
    for (uint64_t x = 1; x <= ticket; ++x) {
      auto answers = node.replies().count(x) + node.failures().count(x);
      CHECK(answers <= 1);
      if (!given_up.contains(x))
        CHECK(answers == 1);
    }
    std::map<std::string, uint64_t> last;
    for (auto x : node.done()) {
      CHECK(last[owner_of[x]] < x);
      last[owner_of[x]] = x;
    }
    auto text = node.metrics();
    CHECK(text.find("sotto_admission_running=0") != std::string::npos);
    CHECK(text.find("sotto_admission_yielded=0") != std::string::npos);
    CHECK(text.find("sotto_admission_lost_total=0") != std::string::npos);
    // Every slot can be used again.
    node.world->model_silent = true;
    node.world->prompts.clear();
    for (uint64_t x = 1; x <= 5; ++x)
      node.say(1000 + x, "new" + std::to_string(x));
    node.run();
    CHECK(node.world->prompts.size() == 3);
  }
}
