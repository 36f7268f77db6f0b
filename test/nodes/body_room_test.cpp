#include "nodes/body_room.hpp"

#include <catch2/catch.hpp>

#include <list>

using namespace sotto;

namespace {

constexpr size_t unit = 1 << 20;
constexpr size_t of(size_t units) {
  return units * unit + body_room::part::free;
}

} // namespace

TEST_CASE("bodies have room up to a bound in all, and give it back") {
  auto room = std::make_shared<body_room>(4 * unit);
  {
    body_room::part a{room, 1}, b{room, 1};
    CHECK(a.hold(of(3)));
    CHECK_FALSE(b.hold(of(2)));
    CHECK(b.hold(of(1)));
    CHECK_FALSE(a.hold(of(4)));
    CHECK(room->taken() == 4 * unit);
    CHECK(a.hold(of(1)));
    CHECK(b.hold(of(3)));
    CHECK(room->taken() == 4 * unit);
  }
  CHECK(room->taken() == 0);
}

TEST_CASE("small bodies need no room") {
  auto room = std::make_shared<body_room>(unit);
  body_room::part large{room, 1}, small{room, 1};
  CHECK(large.hold(of(1)));
  CHECK(small.hold(body_room::part::free));
  CHECK_FALSE(small.hold(body_room::part::free + 1));
}

TEST_CASE("a tenant that floods takes nothing from the others' shares") {
  auto room = std::make_shared<body_room>(8 * unit);
  std::list<body_room::part> flood;
  while (flood.emplace_back(room, 1).hold(of(1))) {
  }
  CHECK(room->taken() == 8 * unit);
  body_room::part second{room, 2}, third{room, 3};
  CHECK(second.hold(of(4)));
  CHECK_FALSE(second.hold(of(5)));
  CHECK(third.hold(of(2)));
  CHECK_FALSE(third.hold(of(3)));
  CHECK_FALSE(flood.emplace_back(room, 1).hold(of(1)));
  CHECK(room->taken() <= 16 * unit);
  flood.clear();
  CHECK(third.hold(of(4)));
}
