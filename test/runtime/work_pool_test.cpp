#include "runtime/work_pool.hpp"

#include "test/fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

struct outcome_of_job {
  int ran = 0;
  std::vector<failure> refused;
};

work_job counted(outcome_of_job& to) {
  return {[&to] { ++to.ran; }, [&to](const failure& why) { to.refused.push_back(why); }};
}

/// A job that is under way until the test says otherwise: it keeps its worker by sending itself.
work_job noted(std::vector<int>& order, int number) {
  return {[&order, number] { order.push_back(number); }, [](const failure&) {}};
}

} // namespace

TEST_CASE("a pool runs its jobs", "[caf]") {
  frozen_system node;
  auto pool = node.spawn(work_pool, work_pool_settings{});
  outcome_of_job x;
  for (int i = 0; i < 100; ++i) {
    caf::anon_send(pool, node.flow(), atom::run_v, counted(x));
    if (i % 7 == 0)
      node.run();
  }
  node.run();
  CHECK(x.ran == 100);
  CHECK(x.refused.empty());
}

TEST_CASE("a pool starts workers while work waits and lets them go when they are idle", "[caf]") {
  frozen_system node;
  work_pool_settings with;
  with.limits = {1, 3};
  with.limits.idle_after = std::chrono::nanoseconds{2s}.count();
  auto pool = node.spawn(work_pool, with);
  auto& workers = prometheus::BuildGauge()
                      .Name("sotto_pool_workers")
                      .Help("Workers of a lane")
                      .Register(node.services->metrics);
  auto count = [&] { return workers.Add({{"lane", "pool"}}).Value(); };
  outcome_of_job x;
  for (int i = 0; i < 50; ++i)
    caf::anon_send(pool, node.flow(), atom::run_v, counted(x));
  // Only the pool itself runs: its workers are busy all the time.
  auto& jobs = node.scheduler().jobs;
  while (!jobs.empty() && x.ran == 0)
    node.scheduler().run_once();
  node.run();
  CHECK(x.ran == 50);
  CHECK(count() > 1);
  for (int i = 0; i < 40; ++i)
    node.pass(250ms);
  CHECK(count() == 1);
}

TEST_CASE("a full pool refuses the newest of the lowest level", "[caf]") {
  frozen_system node;
  work_pool_settings with;
  with.limits = {0, 0}; // no worker ever: all waits
  with.max_waiting = 2;
  auto pool = node.spawn(work_pool, with);
  outcome_of_job low, normal, high;
  caf::anon_send(pool, node.flow(priority::low), atom::run_v, counted(low));
  caf::anon_send(pool, node.flow(), atom::run_v, counted(normal));
  node.run();
  caf::anon_send(pool, node.flow(priority::high), atom::run_v, counted(high));
  node.run();
  CHECK(low.refused.size() == 1);
  CHECK(low.refused.at(0).code == ec::overloaded);
  caf::anon_send(pool, node.flow(), atom::run_v, counted(normal));
  node.run();
  CHECK(normal.refused.size() == 1);
  CHECK(high.refused.empty());
  SECTION("what still waits when the pool ends is told") {
    caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
    node.run();
    CHECK(high.refused.size() == 1);
    CHECK(high.refused.at(0).code == ec::unavailable);
  }
}

TEST_CASE("a job is told when the pool has ended", "[caf]") {
  frozen_system node;
  auto pool = node.spawn(work_pool, work_pool_settings{});
  node.run();
  caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
  node.run();
  outcome_of_job x;
  caf::anon_send(pool, node.flow(), atom::run_v, counted(x));
  node.run();
  CHECK(x.refused.size() == 1);
}

TEST_CASE("important jobs go first", "[caf]") {
  frozen_system node;
  work_pool_settings with;
  with.limits = {1, 1};
  auto pool = node.spawn(work_pool, with);
  std::vector<int> order;
  // None runs before all are there: one message a job, and the pool is one actor.
  caf::anon_send(pool, node.flow(priority::background), atom::run_v, noted(order, 4));
  caf::anon_send(pool, node.flow(priority::low), atom::run_v, noted(order, 3));
  caf::anon_send(pool, node.flow(priority::critical), atom::run_v, noted(order, 0));
  node.run();
  REQUIRE(order.size() == 3);
  CHECK(order.front() == 0);
}

TEST_CASE("a job whose deadline has passed is refused", "[caf]") {
  frozen_system node;
  work_pool_settings with;
  with.limits = {0, 1};
  with.limits.most_cpu = 0.5;
  auto busy = std::make_shared<bool>(true);
  with.load = [busy] { return machine_load{*busy ? 1.0 : 0.0, 1}; };
  auto pool = node.spawn(work_pool, with);
  outcome_of_job first, late;
  caf::anon_send(pool, node.flow(), atom::run_v, counted(first));
  node.run();
  node.pass(250ms); // the load is known now: no further worker
  CHECK(first.ran == 1);
  for (int i = 0; i < 50; ++i)
    node.pass(250ms); // the worker is let go
  caf::anon_send(pool, node.flow(priority::normal, 500ms), atom::run_v, counted(late));
  node.run();
  CHECK(late.ran == 0);
  node.pass(600ms);
  *busy = false;
  node.pass(250ms);
  node.pass(250ms);
  CHECK(late.ran == 0);
  REQUIRE(late.refused.size() == 1);
  CHECK(late.refused.at(0).code == ec::timeout);
}

TEST_CASE("a job that nobody waits for any more is not begun", "[caf]") {
  frozen_system node;
  work_pool_settings with;
  with.limits = {1, 1};
  auto pool = node.spawn(work_pool, with);
  outcome_of_job first, second, unwanted;
  auto wanted = true;
  // It ends what the other one waits for while it runs.
  work_job ending = counted(first);
  ending.run = [&, run = ending.run] {
    run();
    wanted = false;
  };
  auto job = counted(unwanted);
  job.unwanted = [&](int64_t) { return !wanted; };
  caf::anon_send(pool, node.flow(priority::high), atom::run_v, ending);
  node.run();
  caf::anon_send(pool, node.flow(), atom::run_v, job);
  caf::anon_send(pool, node.flow(), atom::run_v, counted(second));
  node.run();
  CHECK(first.ran == 1);
  CHECK(unwanted.ran == 0);
  REQUIRE(unwanted.refused.size() == 1);
  CHECK(unwanted.refused.at(0).code == ec::timeout);
  CHECK(second.ran == 1);
}
