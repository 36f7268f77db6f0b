#include "nodes/call_window.hpp"

#include <random>
#include <set>

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

using window = call_window<int>;

std::vector<int> start_all(window& x) {
  std::vector<int> result;
  while (auto next = x.next())
    result.push_back(*next);
  return result;
}

} // namespace

TEST_CASE("a window runs so many calls and lets the others wait in order") {
  window x{{2, 8}};
  for (int i = 0; i < 5; ++i)
    CHECK(x.arrive(priority::normal, i) == window::verdict::taken);
  CHECK(start_all(x) == std::vector<int>{0, 1});
  x.ended();
  CHECK(start_all(x) == std::vector<int>{2});
  CHECK(x.waiting() == 2);
  CHECK(x.under_way() == 4);
}

TEST_CASE("the more important call of a socket runs first") {
  window x{{1, 8}};
  x.arrive(priority::background, 1);
  x.arrive(priority::low, 2);
  x.arrive(priority::critical, 3);
  x.arrive(priority::critical, 4);
  std::vector<int> order;
  for (auto next = x.next(); next; next = x.next()) {
    order.push_back(*next);
    x.ended();
  }
  CHECK(order == std::vector<int>{3, 4, 2, 1});
}

TEST_CASE("a call without credit is refused, and gross abuse is told") {
  window x{{1, 2}};
  x.arrive(priority::normal, 1);
  x.arrive(priority::normal, 2);
  for (size_t i = 1; i < window::patience; ++i)
    REQUIRE(x.arrive(priority::critical, 3) == window::verdict::refused);
  CHECK(x.arrive(priority::normal, 3) == window::verdict::abused);
  start_all(x);
  x.ended();
  CHECK(x.arrive(priority::normal, 4) == window::verdict::taken);
  CHECK(x.arrive(priority::normal, 5) == window::verdict::refused);
}

TEST_CASE("credit comes back at once to who does not count it, else in grants") {
  window x{{8, 8}};
  SECTION("not told") {
    x.arrive(priority::normal, 1);
    start_all(x);
    x.ended();
    CHECK(x.credit() == 8);
    CHECK(x.grant() == 0);
  }
  SECTION("told, when a quarter is back") {
    x.tell_credit();
    for (int i = 0; i < 4; ++i)
      x.arrive(priority::normal, i);
    start_all(x);
    x.ended();
    CHECK(x.grant() == 0);
    CHECK(x.credit() == 4);
    x.ended();
    CHECK(x.grant() == 2);
    CHECK(x.credit() == 6);
  }
  SECTION("told, when nothing is under way") {
    x.tell_credit();
    x.arrive(priority::normal, 1);
    start_all(x);
    x.ended();
    CHECK(x.grant() == 1);
    CHECK(x.credit() == 8);
  }
}

TEST_CASE("a waiting call can be withdrawn, and its credit comes back") {
  window x{{1, 3}};
  for (int i = 1; i <= 3; ++i)
    x.arrive(priority::normal, i);
  start_all(x);
  CHECK(x.withdraw([](int i) { return i == 2; }) == 2);
  CHECK(x.withdraw([](int i) { return i == 1; }) == std::nullopt);
  CHECK(x.credit() == 1);
  x.ended();
  CHECK(start_all(x) == std::vector<int>{3});
}

TEST_CASE("whatever happens, credit, what waits and what runs add up") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random{seed};
    size_t most = 1 + random() % 5, calls = 1 + random() % 40, credit = calls, running = 0;
    window x{{most, calls}};
    auto told = random() % 2 == 0;
    if (told)
      x.tell_credit();
    std::multiset<int> waiting;
    for (int i = 0; i < 500; ++i) {
      switch (random() % 4) {
      case 0:
      case 1: {
        auto taken = x.arrive(static_cast<priority>(random() % priority_levels), i)
                     == window::verdict::taken;
        REQUIRE(taken == (credit > 0));
        if (taken) {
          --credit;
          waiting.insert(i);
        }
        break;
      }
      case 2:
        if (auto next = x.next()) {
          REQUIRE(waiting.erase(*next) == 1);
          ++running;
        } else {
          REQUIRE((waiting.empty() || running == most));
        }
        break;
      default:
        if (running > 0) {
          x.ended();
          --running;
          credit += told ? 0 : 1;
        }
      }
      auto granted = x.grant();
      credit += granted;
      REQUIRE(running <= most);
      REQUIRE(x.running() == running);
      REQUIRE(x.waiting() == waiting.size());
      REQUIRE(x.credit() == credit);
      REQUIRE(credit + x.under_way() <= calls);
      // Never all lost: what is neither credit nor under way is less than a quarter.
      REQUIRE((calls - credit - x.under_way()) * 4 < calls);
    }
  }
}
