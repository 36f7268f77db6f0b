#include "runtime/prompt_thread.hpp"

#include <thread>

#include <catch2/catch.hpp>
#include <sched.h>
#include <sys/resource.h>

using namespace sotto;

TEST_CASE("a prompt thread keeps its policy and its nice value") {
  std::thread{[] {
    // A thread's own, as Linux has it.
    REQUIRE(setpriority(PRIO_PROCESS, 0, 7) == 0);
    make_thread_prompt();
    CHECK(getpriority(PRIO_PROCESS, 0) == 7);
    CHECK(sched_getscheduler(0) == SCHED_OTHER);
  }}.join();
  std::thread{[] {
    sched_param none{};
    REQUIRE(sched_setscheduler(0, SCHED_BATCH, &none) == 0);
    make_thread_prompt();
    CHECK(sched_getscheduler(0) == SCHED_BATCH);
  }}.join();
}
