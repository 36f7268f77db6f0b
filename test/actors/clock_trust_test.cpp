#include "actors/clock_trust.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

constexpr int64_t second = 1'000'000'000, hour = 3'600 * second;

/// A machine whose two clocks the test moves.
struct machine {
  bool after(int64_t nanos) {
    steady += nanos;
    wall += nanos / 1'000;
    return trust.look(wall, steady);
  }

  clock_trust trust{hour};
  int64_t steady = 17 * second;
  int64_t wall = 1'767'225'600'000'000;
};

} // namespace

TEST_CASE("a clock is believed after it has kept pace for a while") {
  machine x;
  CHECK_FALSE(x.after(0));
  CHECK_FALSE(x.after(hour - second));
  CHECK(x.after(second));
  CHECK(x.after(100 * hour));
}

TEST_CASE("a clock that jumped is not believed until it has kept pace again") {
  machine x;
  x.after(0);
  CHECK(x.after(hour));
  x.wall += GENERATE(-1, 1) * 61'000'000;
  CHECK_FALSE(x.after(second));
  CHECK_FALSE(x.after(hour / 2));
  CHECK(x.after(hour / 2));
}

TEST_CASE("a clock that is corrected slowly is believed") {
  machine x;
  x.after(0);
  for (int i = 0; i < 100; ++i) {
    x.wall += 1'800'000; // the fastest that NTP slews: 500 ppm
    x.after(hour);
  }
  CHECK(x.after(0));
}
