#include "nodes/token_pacer.hpp"

#include <random>

#include <catch2/catch.hpp>

using namespace sotto;

TEST_CASE("without a limit every piece goes at once") {
  token_pacer x;
  auto sent = x.arrived({0, "one "}, false);
  REQUIRE(sent);
  CHECK(sent->text == "one ");
  CHECK(x.arrived({4, "two"}, false)->offset == 4);
  CHECK_FALSE(x.last());
}

TEST_CASE("without credit pieces are gathered into one") {
  token_pacer x{1};
  CHECK(x.arrived({0, "a"}, false));
  CHECK_FALSE(x.arrived({1, "b"}, false));
  CHECK_FALSE(x.arrived({2, "c"}, false));
  auto sent = x.granted(1);
  REQUIRE(sent);
  CHECK(sent->offset == 1);
  CHECK(sent->text == "bc");
  CHECK_FALSE(x.arrived({3, "d"}, false));
  CHECK_FALSE(x.last());
}

TEST_CASE("a busy socket gets larger pieces, and nothing is held back at the end") {
  token_pacer x;
  CHECK_FALSE(x.arrived({0, "a"}, true));
  CHECK_FALSE(x.arrived({1, "b"}, true));
  CHECK(x.arrived({2, "c"}, false)->text == "abc");
  CHECK_FALSE(x.arrived({3, "d"}, true));
  CHECK(x.last()->text == "d");
  CHECK_FALSE(x.last());
}

TEST_CASE("what is gathered is bounded") {
  const std::string kib(1024, 'x');
  SECTION("without credit the tokens end") {
    token_pacer x{0};
    for (uint64_t i = 0; i < 100; ++i)
      CHECK_FALSE(x.arrived({i * 1024, kib}, false));
    CHECK_FALSE(x.granted(5));
    CHECK_FALSE(x.arrived({102'400, kib}, false));
    CHECK_FALSE(x.last());
  }
  SECTION("a busy socket gets it all the same") {
    token_pacer x;
    size_t sent = 0;
    for (uint64_t i = 0; i < 100; ++i)
      if (auto piece = x.arrived({i * 1024, kib}, true)) {
        CHECK(piece->text.size() <= token_pacer::max_gathered + kib.size());
        sent += piece->text.size();
      }
    CHECK(sent == 64 * 1024);
  }
}

TEST_CASE("pieces follow one another without gap, whatever the credit") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random{seed};
    token_pacer x{random() % 3};
    std::string said, heard;
    auto hear = [&](const std::optional<stream_piece>& piece) {
      if (!piece)
        return;
      REQUIRE(piece->offset == heard.size());
      heard += piece->text;
    };
    for (int i = 0; i < 200; ++i) {
      if (random() % 3 == 0)
        hear(x.granted(1 + random() % 3));
      std::string word(random() % 5, static_cast<char>('a' + i % 26));
      auto at = said.size();
      said += word;
      hear(x.arrived({at, word}, random() % 4 == 0));
    }
    hear(x.granted(1));
    hear(x.last());
    CHECK(heard == said);
  }
}

TEST_CASE("credit cannot overflow into having no limit") {
  token_pacer x{0};
  for (int i = 0; i < 4; ++i)
    x.granted(token_pacer::unlimited - 1);
  CHECK(x.arrived({0, "a"}, false));
  CHECK_FALSE(x.arrived({1, ""}, false));
}

TEST_CASE("a piece that was lost on the way comes in the end, and in order") {
  token_pacer x;
  CHECK(x.arrived({0, "one "}, false)->text == "one ");
  CHECK_FALSE(x.arrived({8, "three "}, false));
  CHECK_FALSE(x.arrived({14, "four"}, false));
  auto rest = x.last("one two three four");
  REQUIRE(rest);
  CHECK(rest->offset == 4);
  CHECK(rest->text == "two three four");
  CHECK_FALSE(x.last("one two three four"));
}

TEST_CASE("what was lost may come again, and what came already does not") {
  token_pacer x;
  CHECK(x.arrived({0, "one "}, true) == std::nullopt);
  CHECK_FALSE(x.arrived({8, "three "}, false));
  auto next = x.arrived({2, "e two three "}, false);
  REQUIRE(next);
  CHECK(next->offset == 0);
  CHECK(next->text == "one two three ");
  CHECK_FALSE(x.arrived({4, "two "}, false));
  CHECK_FALSE(x.last("one two three "));
}

TEST_CASE("random losses, credit and haste never make another text of it") {
  std::mt19937 random{7};
  for (int round = 0; round < 500; ++round) {
    std::string whole, told;
    token_pacer x;
    auto tell = [&](std::optional<stream_piece> y) {
      if (!y)
        return;
      REQUIRE(y->offset == told.size());
      told += y->text;
    };
    for (int i = 0; i < 30; ++i) {
      stream_piece piece{whole.size(),
                         std::string(1 + random() % 5, static_cast<char>('a' + i % 26))};
      whole += piece.text;
      if (random() % 5 != 0)
        tell(x.arrived(std::move(piece), random() % 3 == 0));
    }
    tell(x.last(whole));
    REQUIRE(told == whole);
  }
}
