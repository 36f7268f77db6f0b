#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "nodes/senses_lines.hpp"

using namespace sotto;

TEST_CASE("a mood is a line of the table under its head") {
  emotion_reading x;
  x.pos = 0.5;
  x.neu = 0.5;
  x.compound = -0.4585;
  x.primary = "joy";
  x.intensity = 0.25F;
  std::string out{mood_header()};
  append_mood(x, "a\tb \x1b[31m\n", out);
  CHECK(out
        == "  neg    neu    pos   compound  emotion      intensity  text\n"
           "0.000  0.500  0.500   -0.4585  joy               0.25  a b [31m \n");
}

TEST_CASE("a long text is cut between characters") {
  std::string out;
  std::string umlauts = "x";
  for (int i = 0; i < 100; ++i)
    umlauts += "\xc3\xbc";
  append_mood({}, umlauts, out);
  CHECK(out.ends_with("\xc3\xbc...\n"));
  out.clear();
  append_mood({}, std::string(100, '\xbf'), out);
  CHECK(out.ends_with("...\n"));
}

TEST_CASE("a vector reads back to the same figures") {
  const std::vector<float> x{0.1F, -1.0F, 0.0F, 1.17549435e-38F, 0.333333343F};
  std::string out;
  append_embedding(x, true, out);
  CHECK(nlohmann::json::parse(out).get<std::vector<float>>() == x);
  out.clear();
  append_embedding(x, false, out);
  CHECK(out.starts_with("0.1 -1 0 "));
  out.clear();
  append_embedding({}, true, out);
  CHECK(out == "[]\n");
}
