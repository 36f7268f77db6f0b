#include <catch2/catch.hpp>

#include <chrono>
#include <thread>

#include "runtime/work_routing.hpp"

using namespace sotto;

namespace {

constexpr int64_t us = 1'000, ms = 1'000'000;

work_profile after(const work_sample& x, int times = 20) {
  work_profile result;
  for (int i = 0; i < times; ++i)
    result.observe(x);
  return result;
}

} // namespace

TEST_CASE("lanes have names") {
  for (auto x : {work_lane::here, work_lane::pool, work_lane::detached, work_lane::isolated})
    CHECK(lane_from(to_string(x)) == x);
  CHECK_FALSE(lane_from("elsewhere"));
}

TEST_CASE("a light operation stays in its batcher") {
  CHECK(after({20 * us, 20 * us, false}).lane() == work_lane::here);
}

TEST_CASE("an operation that holds a core goes to the pool") {
  auto x = after({5 * ms, 5 * ms, false});
  CHECK(x.lane() == work_lane::pool);
  CHECK(x.cpu() == Approx(5e6));
}

TEST_CASE("an operation that waits gets threads of its own") {
  auto x = after({20 * ms, 1 * ms, true});
  CHECK(x.lane() == work_lane::detached);
  CHECK(x.waiting() == Approx(0.95));
}

TEST_CASE("time that a busy machine took away is no waiting") {
  CHECK(after({20 * ms, 100 * us, false}).lane() == work_lane::here);
}

TEST_CASE("short waits are not worth a thread") {
  CHECK(after({300 * us, 10 * us, true}).lane() == work_lane::here);
}

TEST_CASE("a few batches decide nothing") {
  CHECK(after({50 * ms, 50 * ms, false}, 3).lane() == work_lane::here);
}

TEST_CASE("a route follows what the operation does, and does not flap at the border") {
  auto x = after({5 * ms, 5 * ms, false});
  for (int i = 0; i < 100; ++i)
    x.observe({450 * us, 450 * us, false});
  CHECK(x.lane() == work_lane::pool);
  for (int i = 0; i < 100; ++i)
    x.observe({10 * us, 10 * us, false});
  CHECK(x.lane() == work_lane::here);
  for (int i = 0; i < 100; ++i)
    x.observe({450 * us, 450 * us, false});
  CHECK(x.lane() == work_lane::here);
  CHECK(x.changes() == 2);
}

TEST_CASE("a pinned operation keeps its lane") {
  work_profile x{work_lane::isolated};
  for (int i = 0; i < 20; ++i)
    x.observe({5 * ms, 5 * ms, false});
  CHECK(x.lane() == work_lane::isolated);
}

TEST_CASE("the timer tells working from waiting") {
  work_timer waiting;
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  auto waited = waiting.stop();
  CHECK(waited.waited);
  CHECK(waited.wall >= 20 * ms);
  CHECK(waited.cpu < waited.wall);

  work_timer working;
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 5'000'000; ++i)
    sum = sum + i;
  CHECK(working.stop().cpu > 0);
}
