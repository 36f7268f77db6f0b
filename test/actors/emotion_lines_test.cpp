#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "actors/emotion_lines.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

const emotion_engine& engine() {
  static auto loaded = emotion_engine::load(SOTTO_SOURCE_DIR "/build/data/emotion.bin");
  REQUIRE(loaded);
  return **loaded;
}

std::string line_for(std::string_view line) {
  std::string out;
  append_emotion_line(engine(), line, out);
  return out;
}

} // namespace

TEST_CASE("a line of text gives the reference's figures as Python writes them") {
  CHECK(line_for("VADER is smart, handsome, and funny.")
        == R"({"neg":0.0,"neu":0.254,"pos":0.746,"compound":0.8316,"emotion":"joy"})"
           "\n");
  CHECK(line_for("")
        == R"({"neg":0.0,"neu":0.0,"pos":0.0,"compound":0.0,"emotion":"neutral"})"
           "\n");
}

TEST_CASE("an object with a text is read like the text") {
  CHECK(line_for(R"({"text":"I love this \ud83d\ude00","id":7})")
        == line_for("I love this \xf0\x9f\x98\x80"));
}

TEST_CASE("a malformed object gives one line with what is wrong") {
  for (auto* bad : {"{", "{}", R"({"text":7})", R"({"text":"a")", R"({"text":"a"} b)"}) {
    auto answer = nlohmann::json::parse(line_for(bad));
    INFO(bad);
    CHECK(answer.size() == 1);
    CHECK_FALSE(answer["error"].get<std::string>().empty());
  }
}

TEST_CASE("any bytes give exactly one line of JSON") {
  splitmix random{21};
  constexpr std::string_view pieces = "{}\":,[]text\\u d8 00\xf0\x9f\xff\x80 good";
  for (int i = 0; i < 5000; ++i) {
    std::string line(i % 2, '{');
    for (auto n = random() % 60; n > 0; --n)
      line += i % 3 ? pieces[random() % pieces.size()] : static_cast<char>(random() % 256);
    auto out = line_for(line);
    REQUIRE(std::count(out.begin(), out.end(), '\n') == 1);
    auto answer = nlohmann::json::parse(out);
    CHECK((answer.contains("error") || answer.contains("compound")));
  }
}
