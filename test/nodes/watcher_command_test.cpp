#include "nodes/watcher_command.hpp"

#include <catch2/catch.hpp>

#include "messages/error.hpp"

using namespace sotto;

TEST_CASE("an order to a watcher is read as it was written", "[watcher]") {
  watch_order x{
      42,    "n1", "00000000-0000-4000-8000-000000000001", "postgresql://u:p%22w@db/sotto", "live",
      1'000, 3'000};
  auto read = read_order(write_order(x));
  REQUIRE(read);
  CHECK(read->parent == 42);
  CHECK(read->node == "n1");
  CHECK(read->incarnation == x.incarnation);
  CHECK(read->url == x.url);
  CHECK(read->schema == "live");
  CHECK(read->margin == 1'000);
  CHECK(read->lease == 3'000);
}

TEST_CASE("what is no order of a node is none", "[watcher]") {
  for (auto* text : {"", "{", "[]", "7", R"({"parent":1})", R"({"parent":"one","node":"n1"})"}) {
    auto read = read_order(text);
    REQUIRE_FALSE(read);
    CHECK(to_failure(read.error()).code == ec::invalid);
  }
}
