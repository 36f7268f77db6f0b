#include <catch2/catch.hpp>

#include <thread>
#include <vector>

#include "runtime/rate_bucket.hpp"

using namespace sotto;

namespace {
constexpr int64_t second = 1'000'000'000;
}

TEST_CASE("a bucket gives its burst, then its rate") {
  rate_bucket bucket{2, 3};
  auto now = 5 * second;
  for (uint32_t left : {2U, 1U, 0U}) {
    auto x = bucket.take(now);
    CHECK(x.allowed);
    CHECK(x.limit == 3);
    CHECK(x.remaining == left);
    CHECK(x.wait == 0);
  }
  auto refused = bucket.take(now);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.wait == second / 2);
  CHECK(refused.reset == 3 * second / 2);
  CHECK_FALSE(bucket.take(now + second / 2 - 1).allowed);
  CHECK(bucket.take(now + second / 2).allowed);
  CHECK_FALSE(bucket.take(now + second / 2).allowed);
}

TEST_CASE("what was promised as the wait is enough, and a refusal costs nothing") {
  rate_bucket bucket{7, 5};
  int64_t now = second;
  for (int i = 0; i < 1000; ++i) {
    auto x = bucket.take(now);
    if (x.allowed)
      continue;
    REQUIRE(bucket.take(now).wait == x.wait);
    REQUIRE_FALSE(bucket.take(now + x.wait - 1).allowed);
    now += x.wait;
    REQUIRE(bucket.take(now).allowed);
  }
}

TEST_CASE("a clock that jumps back costs a bucket no more than its burst") {
  rate_bucket bucket{1, 2};
  CHECK(bucket.take(1'000'000 * second).allowed);
  CHECK_FALSE(bucket.take(second).allowed);
  CHECK(bucket.take(2 * second).allowed);
  CHECK(bucket.take(2'000'000 * second).remaining == 1);
}

TEST_CASE("threads together get no more than there is") {
  rate_bucket bucket{1, 1000};
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i)
        got += bucket.take(second).allowed ? 1 : 0;
    });
  for (auto& x : threads)
    x.join();
  CHECK(got == 1000);
}
