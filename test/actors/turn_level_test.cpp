#include "actors/turn_level.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

TEST_CASE("urgent words and questions are found as words, in any case") {
  CHECK(read_signals("This is URGENT!").urgent);
  CHECK(read_signals("help").urgent);
  CHECK(read_signals("Please come asap.").urgent);
  CHECK_FALSE(read_signals("That was helpful").urgent);
  CHECK_FALSE(read_signals("insurgent news").urgent);
  CHECK_FALSE(read_signals("").urgent);
  CHECK(read_signals("Are you there?").question);
  CHECK_FALSE(read_signals("I am here").question);
}

TEST_CASE("only the beginning of a text is read") {
  std::string text(5000, ' ');
  text += "urgent?";
  CHECK_FALSE(read_signals(text).urgent);
  CHECK_FALSE(read_signals(text).question);
}

TEST_CASE("levels follow the signals") {
  CHECK(turn_level({}) == priority::normal);
  CHECK(turn_level({.urgent = true}) == priority::high);
  CHECK(turn_level({.question = true, .active = true, .channel = true, .crowded = true})
        == priority::normal);
  CHECK(turn_level({.channel = true}) == priority::low);
  CHECK(turn_level({.question = true, .channel = true}) == priority::normal);
  CHECK(turn_level({.active = true, .channel = true}) == priority::normal);
  CHECK(urgency_score({.urgent = true, .question = true, .active = true}) == 100);
}

TEST_CASE("a conversation is active for a while and crowded with the sixth speaker") {
  constexpr int64_t second = 1'000'000'000;
  recent_conversations recent;
  turn_signals x;
  recent.heard({7, 1}, 100, second, x);
  CHECK_FALSE(x.active);
  recent.heard({7, 1}, 100, 20 * second, x);
  CHECK(x.active);
  recent.heard({7, 1}, 100, 60 * second, x);
  CHECK_FALSE(x.active);
  for (uint64_t speaker = 101; speaker < 105; ++speaker) {
    recent.heard({7, 1}, speaker, 61 * second, x);
    CHECK_FALSE(x.crowded);
  }
  recent.heard({7, 1}, 105, 62 * second, x);
  CHECK(x.crowded);
  recent.heard({7, 2}, 100, 62 * second, x);
  CHECK_FALSE(x.crowded);
  recent.heard({7, 1}, 100, 1000 * second, x); // all others are long gone
  CHECK_FALSE(x.crowded);
}

TEST_CASE("a conversation on the place of another one takes it and knows nothing of it") {
  recent_conversations recent{1};
  turn_signals x;
  recent.heard({7, 1}, 1, 1000, x);
  recent.heard({7, 2}, 1, 2000, x);
  CHECK_FALSE(x.active);
  recent.heard({7, 1}, 1, 3000, x);
  CHECK_FALSE(x.active);
}
