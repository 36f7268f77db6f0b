#include <catch2/catch.hpp>

#include <fstream>

#include <nlohmann/json.hpp>

#include "actors/emotion_engine.hpp"
#include "actors/senses.hpp"
#include "actors/sentence_embedder.hpp"
#include "runtime/random.hpp"
#include "test/actors/vader_plain.hpp"

using namespace sotto;

namespace {

std::string data(const char* name) {
  return std::string{SOTTO_SOURCE_DIR "/build/data/"} + name;
}

const emotion_engine& engine() {
  static auto loaded = emotion_engine::load(data("emotion.bin"));
  REQUIRE(loaded);
  return **loaded;
}

const sentence_embedder& embedder() {
  static auto loaded = sentence_embedder::load(data("words.bin"));
  REQUIRE(loaded);
  return **loaded;
}

float cosine(std::string_view a, std::string_view b) {
  auto x = embedder().embed(a), y = embedder().embed(b);
  float sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += x[i] * y[i];
  return sum;
}

} // namespace

TEST_CASE("scores equal the reference's on the conformance sample") {
  std::ifstream file{SOTTO_SOURCE_DIR "/test/actors/vader_sample.jsonl"};
  std::string line;
  size_t texts = 0;
  while (std::getline(file, line)) {
    auto want = nlohmann::json::parse(line);
    auto text = want["text"].get<std::string>();
    auto got = engine().read_scores(text);
    INFO(text);
    CHECK(got.neg == want["neg"].get<double>());
    CHECK(got.neu == want["neu"].get<double>());
    CHECK(got.pos == want["pos"].get<double>());
    CHECK(got.compound == want["compound"].get<double>());
    ++texts;
  }
  CHECK(texts == 180);
}

TEST_CASE("scores are what the plain rules say, on texts made of what rules look for") {
  test::plain_vader plain{data("emotion.bin")};
  std::vector<std::string> words{"the",    "shit",
                                 "bomb",   "bad",
                                 "ass",    "bus",
                                 "stop",   "yeah",
                                 "right",  "kiss",
                                 "of",     "death",
                                 "to",     "die",
                                 "for",    "heart",
                                 "broken", "but",
                                 "no",     "or",
                                 "this",   "doubt",
                                 "least",  "at",
                                 "just",   "enough",
                                 "kind",   "sort",
                                 "I",      "train",
                                 "ain't",  "good",
                                 "great!", "(love)",
                                 "hate?",  "!",
                                 "??",     "supercalifragilistic"};
  for (auto& [word, by] : test::plain_vader::boosters())
    words.push_back(word);
  for (auto& word : test::plain_vader::negators())
    words.push_back(word);
  auto rated = plain.rated_words();
  splitmix random{11};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (auto left = random() % 14; left > 0; --left) {
      auto& from = random() % 4 == 0 ? rated : words;
      auto word = from[random() % from.size()];
      if (random() % 8 == 0)
        std::transform(word.begin(), word.end(), word.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      text += word + (random() % 20 == 0 ? " \n" : " ");
    }
    auto got = engine().read_scores(text), want = plain.score(text);
    INFO(text);
    REQUIRE(got.neg == want.neg);
    REQUIRE(got.neu == want.neu);
    REQUIRE(got.pos == want.pos);
    REQUIRE(got.compound == want.compound);
  }
}

TEST_CASE("feelings are found, several at once, and not where they are denied") {
  CHECK(engine().read("I am so happy today").primary == "joy");
  CHECK(engine().read("I am not happy at all").primary != "joy");
  CHECK(engine().read("I'm terrified of the exam").primary == "fear");
  auto both = engine().read("I am excited but also really nervous");
  CHECK(both.mixed.size() == 2);
  CHECK(engine().read("The train leaves at nine").primary == "neutral");
  CHECK(engine().read("").primary == "neutral");
  auto loud = engine().read("I am VERY ANGRY about this!!!");
  CHECK(loud.primary == "anger");
  CHECK(loud.intensity > engine().read("I am slightly angry about this").intensity);
  CHECK(loud.arousal > 0.8F);
}

TEST_CASE("words are compared in lower case, beyond ASCII too") {
  // The lexicon's smileys with a capital thorn are no lower case: the reference never finds them.
  CHECK(engine().read_scores("the :-\xc3\x9e").compound == 0);
  CHECK(engine().read_scores("THAN\xe2\x84\xaaS").pos > 0); // Kelvin sign
  CHECK(engine().read_scores("K\xc4\xb0LL").neg == 0);      // dotted capital I
}

TEST_CASE("a negation counts however long its word is") {
  for (std::string letter : {"x", "\xc3\xa9"}) {
    std::string word;
    for (int i = 0; i < 400; ++i)
      word += letter;
    CHECK(engine().read_scores(word + "n't good").compound < 0);
    CHECK(engine().read_scores(word + " good").compound > 0);
  }
}

TEST_CASE("a word counts the same wherever it stands in a text") {
  auto want = engine().read_scores("x not VERY good! isn't it, \xf0\x9f\x98\x80").compound;
  CHECK(want != 0);
  for (std::string letter : {"x", " ", "\xc3\xa9", "\xe2\x80\x83"}) {
    std::string before = "x ";
    for (size_t i = 0; i < 200; ++i) {
      INFO(before);
      CHECK(engine().read_scores(before + " not VERY good! isn't it, \xf0\x9f\x98\x80").compound
            == want);
      before = letter + before;
    }
  }
}

TEST_CASE("any bytes and any size have a reading within its bounds") {
  splitmix random{8};
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 300, ' ');
    for (auto& c : text)
      c = static_cast<char>(random() % (i % 2 ? 256 : 128));
    auto x = engine().read(text);
    CHECK((x.compound >= -1 && x.compound <= 1));
    CHECK((x.intensity >= 0 && x.intensity <= 1));
    embedder().embed(text);
    topics_of(text);
  }
  std::string big;
  while (big.size() < (1 << 20))
    big += "good bad but not very ";
  auto x = engine().read(big);
  CHECK((x.compound >= -1 && x.compound <= 1));
  engine().read(std::string(1 << 20, 'x'));
  std::string buts = "fine";
  while (buts.size() < (1 << 20))
    buts += " but ok";
  CHECK(engine().read(buts).compound == 1);
}

TEST_CASE("sentences of like meaning lie closer than others") {
  CHECK(cosine("my dog is ill", "the puppy is sick")
        > cosine("my dog is ill", "stock prices rose"));
  CHECK(cosine("where do you work", "what is your job") > 0.5F);
  auto x = embedder().embed("a cat");
  float norm = 0;
  for (auto f : x)
    norm += f * f;
  CHECK(norm == Approx(1).margin(1e-4));
  CHECK(embedder().embed("qqqqzzzz") == std::vector<float>(100, 0.0F));
}

TEST_CASE("a file that is none of ours is refused with what to do") {
  auto path = data("emotion.bin");
  auto wrong = sentence_embedder::load(path);
  REQUIRE_FALSE(wrong);
  CHECK(to_failure(wrong.error()).message.find("scripts/data/fetch") != std::string::npos);
  auto missing = emotion_engine::load(data("nothing.bin"));
  REQUIRE_FALSE(missing);
  CHECK(to_failure(missing.error()).code == ec::not_found);
}

TEST_CASE("topics are found by any form of their words") {
  CHECK(topics_of("My boss cancelled two meetings") == std::vector<std::string>{"work"});
  CHECK(topics_of("Studying for exams with a headache")
        == std::vector<std::string>{"learning", "health"});
  CHECK(topics_of("Hm.").empty());
}
