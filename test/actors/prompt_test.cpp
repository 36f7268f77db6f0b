#include <catch2/catch.hpp>

#include "actors/prompt.hpp"

using namespace sotto;

namespace {

struct sample {
  persona_options persona;
  turn_request turn;
  emotion_reading mood;
  std::vector<recalled> memories;
  std::vector<spoken_line> recent;
  std::string before;
  session_options options;

  sample() {
    persona.system_prompt = "Be kind.";
    turn.owner = {"default", "ada"};
    turn.speaker = "ada";
    turn.text = "and today?";
  }

  std::vector<chat_message> build() const {
    return build_prompt({persona, turn, mood, memories, recent, before}, options);
  }
};

} // namespace

TEST_CASE("a prompt ends with the turn and begins with the persona") {
  sample x;
  auto made = x.build();
  REQUIRE(made.size() == 2);
  CHECK(made[0].role == "system");
  CHECK(made[0].content == "Be kind.");
  CHECK(made[1].content == "and today?");
}

TEST_CASE("a prompt tells mood and memories, but no memory that stands in the context") {
  sample x;
  x.mood.primary = "joy";
  x.mood.intensity = 0.7F;
  recalled a, b;
  a.what.text = "I moved to Porto";
  a.what.speaker = "ada";
  a.what.created = 1'767'225'600'000'000;
  b.what.text = "good morning";
  x.memories = {a, b};
  x.recent = {{"ada", "good morning", false}};
  auto text = x.build()[0].content;
  CHECK(text.find("joy (0.7 of 1)") != std::string::npos);
  CHECK(text.find("2026-01-01, ada: I moved to Porto") != std::string::npos);
  CHECK(text.find("good morning") == std::string::npos);
}

TEST_CASE("the newest lines that fit the budget are the context") {
  sample x;
  for (int i = 0; i < 50; ++i)
    x.recent.push_back({i % 2 ? "companion" : "ada", std::string(100, 'a' + i % 26), i % 2 == 1});
  x.options.context_lines = 10;
  CHECK(x.build().size() == 12);
  x.options.context_tokens = 100; // 400 bytes: four lines
  auto made = x.build();
  CHECK(made.size() == 6);
  CHECK(made[4].content == x.recent.back().text);
}

TEST_CASE("a history that the client brought is the context") {
  sample x;
  x.recent = {{"ada", "stored line", false}};
  x.turn.history = {{"user", "brought line"}, {"assistant", "yes"}};
  auto made = x.build();
  REQUIRE(made.size() == 4);
  CHECK(made[1].content == "brought line");
}

TEST_CASE("other speakers are named") {
  sample x;
  x.recent = {{"bob", "hi all", false}};
  CHECK(x.build()[1].content == "bob: hi all");
}

TEST_CASE("the client's parameters go before the persona's") {
  persona_options persona;
  CHECK(merge_parameters("", persona).empty());
  persona.temperature = 0.5;
  CHECK(merge_parameters("", persona) == R"({"temperature":0.5})");
  CHECK(merge_parameters(R"({"temperature":1.5})", persona) == R"({"temperature":1.5})");
  CHECK(merge_parameters(R"({"max_tokens":7})", persona)
        == R"({"max_tokens":7,"temperature":0.5})");
}

TEST_CASE_METHOD(
    sample, "what was said before the window is told in short, but not to who brings a history") {
  before = "ada: My cat is called Tux.";
  CHECK(build()[0].content.find("in short:\nada: My cat is called Tux.") != std::string::npos);
  turn.history = {{"user", "hello"}, {"assistant", "hi"}};
  CHECK(build()[0].content.find("Tux") == std::string::npos);
}
