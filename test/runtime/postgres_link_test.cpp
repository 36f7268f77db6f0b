// Waiting for a database that is gone, without one and without waiting.
#include "runtime/postgres_link.hpp"

#include <catch2/catch.hpp>

using namespace sotto;
using namespace std::chrono_literals;

namespace {

constexpr int64_t ms = 1'000'000;

/// A link to a database that is nowhere; time passes when the link waits, or by `now` alone.
struct nowhere {
  explicit nowhere(caf::timespan patience)
      : link(target(), patience, [](postgres::connection&) { return failure{}; },
             {[this] { return now; },
              [this](int64_t time) {
                now += time;
                waits.push_back(time);
              }}) {}

  static postgres::target target() {
    postgres::target x;
    x.url = "postgresql://sotto@/sotto?host=/nonexistent";
    return x;
  }

  int64_t now = 1;
  std::vector<int64_t> waits;
  postgres_link link;
};

} // namespace

TEST_CASE("who needs a database that is gone waits longer and longer, until patience ends") {
  nowhere x{5s};
  CHECK(x.link.patient());
  auto why = x.link.ready();
  CHECK(why.code == ec::unavailable);
  CHECK(why.retry_after == 1);
  std::vector<int64_t> expected{20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms};
  expected.insert(expected.end(), 3, 1000 * ms);
  CHECK(x.waits == expected);
  CHECK(x.now == 1 + 4260 * ms); // the next try would come too late
}

TEST_CASE("after its patience a link answers at once, and tries once a second") {
  nowhere x{100ms};
  CHECK(x.link.ready().code == ec::unavailable);
  auto tries = x.waits.size();
  CHECK(x.link.ready().code == ec::unavailable);
  x.now += 10'000 * ms;
  CHECK_FALSE(x.link.patient());
  CHECK(x.link.ready().code == ec::unavailable);
  CHECK(x.link.ready().code == ec::unavailable);
  CHECK(x.waits.size() == tries);
}

TEST_CASE("after a loss that was mended the next one is waited for anew") {
  nowhere x{100ms};
  CHECK(x.link.ready().code == ec::unavailable);
  auto tries = x.waits.size();
  x.now += 10'000 * ms;
  x.link.worked();
  CHECK(x.link.patient());
  CHECK(x.link.ready().code == ec::unavailable);
  CHECK(x.waits.size() == 2 * tries);
}
