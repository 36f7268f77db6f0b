#include <catch2/catch.hpp>

#include "runtime/batch_policy.hpp"

using namespace sotto;

namespace {

/// Serves batches of 1, 2, ... 20 that take `fixed` + `item` n nanoseconds, with arrivals every
/// `gap`.
batch_policy after(int64_t fixed, int64_t item, int64_t gap) {
  batch_policy x;
  for (int64_t i = 1; i <= 200; ++i) {
    x.arrived(i * gap);
    auto n = i % 20 + 1;
    x.served(static_cast<size_t>(n), fixed + item * n);
  }
  return x;
}

} // namespace

TEST_CASE("the costs of a batch and of an item are told apart") {
  auto x = after(100'000, 2'000, 50'000);
  CHECK(x.fixed_cost() == Approx(100'000).epsilon(0.01));
  CHECK(x.item_cost() == Approx(2'000).epsilon(0.01));
  CHECK(x.rate() == Approx(1.0 / 50'000).epsilon(0.01));
}

TEST_CASE("a batch is as large as what arrives while one is served") {
  // n = lambda a / (1 - lambda b), lambda = 1 / 10,000: 100,000 / 10,000 / (1 - 0.2) = 12.5.
  CHECK(after(100'000, 2'000, 10'000).size() == 13);
  CHECK(after(100'000, 2'000, 1'000'000).size() == 2);
  CHECK(after(100'000, 2'000, 2'000).size() == 50);
  CHECK(batch_policy{}.size() == 50);
}

TEST_CASE("nothing is waited for while idle, nor while something runs, nor by a full batch") {
  auto idle = after(100'000, 2'000, 10'000'000);
  CHECK(idle.window(1, 0) == 0);
  auto busy = after(100'000, 2'000, 10'000);
  CHECK(busy.window(1, 1) == 0);
  CHECK(busy.window(13, 0) == 0);
  CHECK(batch_policy{}.window(1, 0) == 0);
}

TEST_CASE("an operation near its capacity waits for a batch worth its cost, within a bound") {
  auto busy = after(100'000, 2'000, 10'000);
  CHECK(busy.window(3, 0) == Approx(100'000).epsilon(0.05)); // ten more at one in 10,000
  auto slow = after(100'000'000, 0, 2'500'000);
  CHECK(slow.window(1, 0) == 2'000'000);
}

TEST_CASE("an operation is light once it is known to take little") {
  batch_policy x{{50, 2, 2'000'000, 10'000}};
  CHECK_FALSE(x.light());
  for (int i = 0; i < 10; ++i)
    x.served(1, 5'000);
  CHECK(x.light());
  for (int i = 0; i < 10; ++i)
    x.served(1, 50'000);
  CHECK_FALSE(x.light());
  batch_policy never;
  for (int i = 0; i < 10; ++i)
    never.served(1, 0);
  CHECK_FALSE(never.light());
}
