#include "runtime/early_cancels.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

TEST_CASE("what was cancelled before it came is known once") {
  early_cancels x;
  CHECK_FALSE(x.take(1, 2));
  x.add(1, 2);
  x.add(1, 2);
  CHECK_FALSE(x.take(2, 1));
  CHECK(x.take(1, 2));
  CHECK_FALSE(x.take(1, 2));
}

TEST_CASE("of cancels that nothing came of the latest are kept") {
  early_cancels x;
  for (uint64_t i = 0; i < 5000; ++i)
    x.add(7, i);
  size_t kept = 0;
  for (uint64_t i = 0; i < 5000; ++i)
    kept += x.take(7, i) ? 1 : 0;
  CHECK(kept == 1024);
  x.add(7, 1);
  CHECK(x.take(7, 1));
}
