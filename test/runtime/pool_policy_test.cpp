#include <catch2/catch.hpp>

#include "runtime/pool_policy.hpp"

using namespace sotto;

namespace {

constexpr int64_t second = 1'000'000'000;
constexpr machine_load quiet{0.2, 0.8};

} // namespace

TEST_CASE("a pool grows while all its workers are busy and work waits") {
  pool_policy x{{1, 3}};
  CHECK(x.wanted(1, 1, 5, quiet, 0) == 2);
  CHECK(x.wanted(2, 2, 5, quiet, 0) == 3);
  CHECK(x.wanted(3, 3, 5, quiet, 0) == 3);
  CHECK(x.wanted(2, 1, 0, quiet, 0) == 2);
}

TEST_CASE("a pool does not grow on a busy machine unless its work waits more than it works") {
  pool_policy works{{1, 3}};
  CHECK(works.wanted(1, 1, 5, {0.99, 0.8}, 0) == 1);
  pool_limits patient{1, 3};
  patient.most_cpu = 1.1;
  CHECK(pool_policy{patient}.wanted(1, 1, 5, {0.99, 0.8}, 0) == 2);
}

TEST_CASE("a pool gives back what it did not need for a while, one worker at a time") {
  pool_policy x{{1, 4}};
  CHECK(x.wanted(3, 1, 0, quiet, 1 * second) == 3);
  CHECK(x.wanted(3, 1, 0, quiet, 10 * second) == 3);
  CHECK(x.wanted(3, 1, 0, quiet, 11 * second) == 2);
  CHECK(x.wanted(2, 1, 0, quiet, 12 * second) == 2);
  CHECK(x.wanted(2, 2, 0, quiet, 20 * second) == 2);
  CHECK(x.wanted(2, 1, 0, quiet, 25 * second) == 2);
  CHECK(x.wanted(2, 1, 0, quiet, 35 * second) == 1);
  CHECK(x.wanted(1, 0, 0, quiet, 99 * second) == 1);
}

TEST_CASE("a pool goes back to the least when memory is short") {
  pool_policy x{{2, 8}};
  CHECK(x.wanted(6, 6, 50, {0.2, 0.01}, 0) == 2);
}

TEST_CASE("the machine's load is a share") {
  load_meter meter;
  meter.read();
  auto x = meter.read();
  CHECK(x.cpu >= 0);
  CHECK(x.cpu <= 1);
  CHECK(x.memory_free > 0);
  CHECK(x.memory_free <= 1);
}
