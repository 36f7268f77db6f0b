#include "actors/overload_policy.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

/// A node that serves `capacity` turns a second, looked at ten times a second.
struct node_under_load {
  explicit node_under_load(admission_options o = {}) : policy(o, 1000) {}

  overload_step look(double offered, int times = 1) {
    for (int i = 0; i < times; ++i) {
      now += overload_policy::interval;
      queue += offered / 10;
      if (policy.step() == overload_step::refuse)
        queue = std::min<double>(queue, policy.room(priority::normal) + capacity / 10);
      auto served = std::min(queue, capacity / 10);
      queue -= served;
      load_sample x;
      x.now = now;
      x.standing = static_cast<size_t>(queue);
      x.served = static_cast<size_t>(served);
      x.memory = memory;
      policy.look(x);
    }
    return policy.step();
  }

  overload_policy policy;
  double capacity = 1000;
  double queue = 0;
  uint64_t memory = 100;
  int64_t now = 1'000'000'000;
};

} // namespace

TEST_CASE("a node that keeps up stays at the normal step, also through a burst") {
  node_under_load node;
  CHECK(node.look(900, 50) == overload_step::normal);
  node.queue += 150; // 150 ms of work, below the target of 200
  CHECK(node.look(500, 20) == overload_step::normal);
  CHECK(node.policy.room(priority::background) == node_load::no_limit);
}

TEST_CASE("overload raises the step one by one to refusing, and less load takes each back") {
  node_under_load node;
  node.look(900, 20);
  std::vector<overload_step> seen{node.policy.step()};
  auto watch = [&](double offered, int looks) {
    for (int i = 0; i < looks; ++i)
      if (auto x = node.look(offered); x != seen.back())
        seen.push_back(x);
  };
  watch(10'000, 30);
  using s = overload_step;
  CHECK(seen
        == std::vector<s>{s::normal, s::fewer_memories, s::cached_context, s::no_analysers,
                          s::refuse});
  CHECK(node.policy.rate() == Approx(1000).epsilon(0.05));
  seen = {node.policy.step()};
  watch(10'000, 100);
  CHECK(seen.size() == 1); // it holds: refusing does not flap
  watch(300, 100);
  CHECK(seen
        == std::vector<s>{s::refuse, s::no_analysers, s::cached_context, s::fewer_memories,
                          s::normal});
}

TEST_CASE("the builtin responder is a step only where it is allowed") {
  admission_options o;
  o.allow_builtin = true;
  node_under_load node{o};
  auto seen = false;
  for (int i = 0; i < 30; ++i)
    seen = node.look(10'000) == overload_step::builtin_responder || seen;
  CHECK(seen);
  CHECK(node.policy.step() == overload_step::refuse);
}

TEST_CASE("while it refuses, the lower level is refused first") {
  node_under_load node;
  node.look(10'000, 30);
  auto last = node_load::no_limit;
  for (size_t i = 0; i < priority_levels; ++i) {
    auto room = node.policy.room(static_cast<priority>(i));
    CHECK(room < last);
    last = room;
  }
  CHECK(last > 0);
}

TEST_CASE("memory above its limit refuses all but the critical at once") {
  node_under_load node;
  node.memory = 1001;
  CHECK(node.look(10) == overload_step::refuse);
  CHECK(node.policy.room(priority::high) == 0);
  CHECK(node.policy.room(priority::critical) == node_load::no_limit);
  node.memory = 950; // not yet enough free
  CHECK(node.look(10, 30) == overload_step::refuse);
  node.memory = 500;
  CHECK(node.look(10, 60) == overload_step::normal);
}

TEST_CASE("a busy processor alone is no overload; with a growing queue it is, earlier") {
  overload_policy policy{{}, 0};
  load_sample x;
  x.cpu = 1;
  x.served = 100;
  for (int i = 0; i < 20; ++i) {
    x.now += overload_policy::interval;
    policy.look(x);
  }
  CHECK(policy.step() == overload_step::normal);
  x.standing = 150; // 150 ms at 1000 turns a second
  for (int i = 0; i < 4; ++i) {
    x.now += overload_policy::interval;
    policy.look(x);
  }
  CHECK(policy.step() > overload_step::normal);
}

TEST_CASE("how long to wait follows from the rate of service and from who was refused") {
  overload_policy policy{{}, 0};
  load_sample x;
  x.now = overload_policy::interval;
  x.served = 100;
  policy.look(x);
  CHECK(policy.retry_after(10) == 1);
  CHECK(policy.retry_after(5000) == 5);
  CHECK(policy.retry_after(1'000'000) == 60);
  x.refused = 900;
  for (int i = 0; i < 50; ++i) {
    x.now += overload_policy::interval;
    policy.look(x);
  }
  CHECK(policy.retry_after(0) == 9);
}
