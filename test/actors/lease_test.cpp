#include "actors/lease.hpp"

#include <catch2/catch.hpp>

#include "runtime/random.hpp"

using namespace sotto;

TEST_CASE("a lease counts from the sending of the heartbeat", "[lease]") {
  lease x{3000, 500};
  CHECK_FALSE(x.may_serve(0));
  CHECK(x.over(0));
  CHECK_FALSE(x.renewed(0, 200));
  CHECK(x.may_serve(200));
  CHECK(x.may_serve(2499));
  CHECK_FALSE(x.may_serve(2500));
  CHECK_FALSE(x.over(2999));
  CHECK(x.over(3000));
  CHECK(x.renewed(1000, 2400));
  CHECK(x.serves_until() == 3500);
}

TEST_CASE("a lease that ended is not prolonged: it begins anew", "[lease]") {
  lease x{3000, 500};
  x.renewed(0, 1);
  // Sent in time, answered too late: others may have looked in between.
  CHECK_FALSE(x.renewed(2000, 2600));
  CHECK(x.may_serve(2600));
  CHECK(x.serves_until() == 4500);
}

TEST_CASE("an answer that took longer than the lease gives none", "[lease]") {
  lease x{3000, 500};
  CHECK_FALSE(x.renewed(0, 2500));
  CHECK_FALSE(x.may_serve(2500));
  x.renewed(2600, 2601);
  // The process was stopped between asking and getting the answer.
  CHECK_FALSE(x.renewed(3000, 60'000));
  CHECK_FALSE(x.may_serve(60'000));
  CHECK(x.over(60'000));
}

TEST_CASE("an older answer does not shorten a lease, and a dropped one is gone", "[lease]") {
  lease x{3000, 500};
  x.renewed(1000, 1001);
  CHECK(x.renewed(500, 1002));
  CHECK(x.serves_until() == 3500);
  x.drop();
  CHECK_FALSE(x.may_serve(1003));
  CHECK(x.over(1003));
}

TEST_CASE("whatever the delays and the clocks' offsets, the holder stops before others may claim",
          "[lease]") {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    splitmix random{seed};
    lease x{3000, 500};
    auto offset = static_cast<int64_t>(random() % 1'000'000) - 500'000;
    int64_t real = 10'000, seen = INT64_MIN / 2;
    for (int i = 0; i < 200; ++i) {
      auto there = static_cast<int64_t>(random() % (random() % 10 == 0 ? 5000 : 100));
      auto back = static_cast<int64_t>(random() % (random() % 10 == 0 ? 5000 : 100));
      auto sent = real + offset;
      // Until the database has the heartbeat, others count from the one before.
      for (auto t = real; t < real + there + back; t += 10)
        if (x.may_serve(t + offset))
          REQUIRE(t < (t < real + there ? seen : real + there) + 3000);
      seen = real + there;
      real += there + back;
      x.renewed(sent, real + offset);
      real += static_cast<int64_t>(random() % 600);
      if (x.may_serve(real + offset))
        REQUIRE(real < seen + 3000);
    }
  }
}
