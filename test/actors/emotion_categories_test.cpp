#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "actors/emotion_engine.hpp"

using namespace sotto;

namespace {

const emotion_engine& engine() {
  static auto loaded = emotion_engine::load(SOTTO_SOURCE_DIR "/build/data/emotion.bin");
  REQUIRE(loaded);
  return **loaded;
}

/// The rule that the engine replaces: whole words, eight a category, the last category that
/// matches wins; without any, the compound decides.
std::string keyword_rule(std::string text, double compound) {
  constexpr std::pair<const char*, const char*> categories[]{
      {"joy", "happy joy delighted cheerful glad smile wonderful thrilled"},
      {"sadness", "sad unhappy depressed crying miserable lonely grief heartbroken"},
      {"anger", "angry mad furious rage annoyed irritated hate outraged"},
      {"fear", "afraid scared terrified fear anxious worried nervous panic"},
      {"surprise", "surprised shocked astonished amazed unexpected wow stunned suddenly"},
      {"disgust", "disgusting disgusted gross revolting nasty repulsive sickening yuck"},
      {"love", "love adore cherish affection beloved darling sweetheart romantic"},
      {"gratitude", "thank thanks grateful appreciate thankful gratitude blessed appreciated"},
      {"pride", "proud pride accomplished achievement confident triumph achieved earned"},
      {"shame", "ashamed shame embarrassed guilty humiliated guilt regret mortified"},
      {"excitement", "excited thrilled exciting eager pumped enthusiastic excitement hyped"},
      {"calm", "calm peaceful relaxed serene tranquil quiet peace content"}};
  for (auto& c : text)
    c = c >= 'A' && c <= 'Z'                   ? static_cast<char>(c - 'A' + 'a')
        : (c >= 'a' && c <= 'z') || (c & 0x80) ? c
                                               : ' ';
  text = ' ' + text + ' ';
  std::string found;
  for (auto& [name, words] : categories) {
    std::istringstream list{words};
    for (std::string word; list >> word;)
      if (text.find(' ' + word + ' ') != std::string::npos)
        found = name;
  }
  return !found.empty() ? found : compound > 0.2 ? "joy" : compound < -0.2 ? "sadness" : "neutral";
}

} // namespace

TEST_CASE("categories agree with our labels more often than the keyword rule's") {
  std::ifstream file{SOTTO_SOURCE_DIR "/test/actors/emotion_labels.jsonl"};
  size_t texts = 0, right = 0, keywords_right = 0;
  for (std::string line; std::getline(file, line); ++texts) {
    auto label = nlohmann::json::parse(line);
    auto text = label["text"].get<std::string>();
    auto want = label["emotion"].get<std::string>();
    auto got = engine().read(text);
    UNSCOPED_INFO(want << ", read as " << got.primary << ": " << text);
    right += got.primary == want;
    keywords_right += keyword_rule(text, got.compound) == want;
  }
  INFO(right << " right, " << keywords_right << " by keywords, of " << texts);
  CHECK(texts >= 120);
  CHECK(right * 10 >= texts * 9);
  CHECK(right >= keywords_right + texts / 10);
}

TEST_CASE("a feeling that is denied is not read from the compound either") {
  CHECK(engine().read("I am not angry").primary == "neutral");
  CHECK(engine().read("I am not happy").primary == "sadness");
}

TEST_CASE("a broken heart is sadness, a heart is love") {
  for (auto* text : {"You broke it, my heart is broken", "a broken heart", "\xf0\x9f\x92\x94"})
    CHECK(engine().read(text).primary == "sadness");
  CHECK(engine().read("\xe2\x9d\xa4").primary == "love");
}

TEST_CASE("every reading keeps its bounds and names its strongest feeling first") {
  std::ifstream file{SOTTO_SOURCE_DIR "/test/actors/emotion_labels.jsonl"};
  for (std::string line; std::getline(file, line);) {
    auto x = engine().read(nlohmann::json::parse(line)["text"].get<std::string>());
    for (auto figure : {x.intensity, x.confidence, x.arousal, x.dominance})
      CHECK((figure >= 0 && figure <= 1));
    CHECK(x.valence == Approx(x.compound));
    CHECK(std::is_sorted(x.mixed.begin(), x.mixed.end(),
                         [](auto& a, auto& b) { return a.intensity > b.intensity; }));
    CHECK(x.primary == (x.mixed.empty() ? "neutral" : x.mixed.front().category));
  }
}
