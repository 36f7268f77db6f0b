#include "actors/senses.hpp"

#include "test/fixture.hpp"

using namespace sotto;

namespace {

std::shared_ptr<const emotion_engine> feelings_of_data() {
  auto loaded = emotion_engine::load(SOTTO_SOURCE_DIR "/build/data/emotion.bin");
  REQUIRE(loaded);
  return *loaded;
}

std::shared_ptr<const sentence_embedder> vectors_of_data() {
  auto loaded = sentence_embedder::load(SOTTO_SOURCE_DIR "/build/data/words.bin");
  REQUIRE(loaded);
  return *loaded;
}

using texts = std::vector<std::string>;

std::shared_ptr<const work_places> places() {
  return std::make_shared<const work_places>();
}

} // namespace

TEST_CASE_METHOD(test::frozen_system, "emotion reads one text and many in their order") {
  auto actor = spawn(emotion, emotion_work(feelings_of_data()), places());
  auto one = ask<emotion_reading>(actor, flow(), atom::analyse_v, std::string{"I am furious"});
  REQUIRE(one);
  CHECK(one->primary == "anger");
  auto many = ask<std::vector<emotion_reading>>(actor, flow(), atom::analyse_v,
                                                texts{"so happy", "", "I am furious"});
  REQUIRE(many);
  REQUIRE(many->size() == 3);
  CHECK((*many)[0].primary == "joy");
  CHECK((*many)[1].primary == "neutral");
  CHECK((*many)[2].compound == one->compound);
}

TEST_CASE_METHOD(test::frozen_system, "emotion writes an array as the node wants it written") {
  auto what = emotion_work(feelings_of_data());
  what.write = [](const std::vector<emotion_reading>& xs) {
    std::string out;
    for (auto& x : xs)
      out += x.primary + ';';
    return out;
  };
  auto actor = spawn(emotion, what, places());
  texts many(300, "so happy"); // more than a slice
  many[299] = "I am furious";
  auto text = ask<std::string>(actor, flow(), atom::write_v, many);
  REQUIRE(text);
  CHECK(text->starts_with("joy;joy;"));
  CHECK(text->ends_with("joy;anger;"));
  auto none = ask<std::string>(actor, flow(), atom::write_v, texts{});
  REQUIRE(none);
  CHECK(none->empty());

  auto without = spawn(emotion, emotion_work(feelings_of_data()), places());
  auto refused = ask<std::string>(without, flow(), atom::write_v, texts{"hello"});
  REQUIRE_FALSE(refused);
  CHECK(to_failure(refused.error()).code == ec::unavailable);
}

TEST_CASE_METHOD(test::frozen_system, "emotion without its data says how to get it") {
  auto actor = spawn(emotion, emotion_work(nullptr), places());
  auto one = ask<emotion_reading>(actor, flow(), atom::analyse_v, std::string{"hello"});
  auto many = ask<std::vector<emotion_reading>>(actor, flow(), atom::analyse_v, texts{"hello"});
  REQUIRE_FALSE(one);
  REQUIRE_FALSE(many);
  CHECK(to_failure(one.error()).code == ec::unavailable);
  CHECK(to_failure(many.error()).message.find("scripts/data/fetch") != std::string::npos);
}

TEST_CASE_METHOD(test::frozen_system, "embedding gives a vector a text, in their order") {
  auto actor = spawn(embedding, embedding_work(vectors_of_data()), places());
  auto one = ask<std::vector<float>>(actor, flow(), atom::embed_v, std::string{"a small dog"});
  auto many =
      ask<std::vector<std::vector<float>>>(actor, flow(), atom::embed_v, texts{"", "a small dog"});
  REQUIRE(one);
  REQUIRE(many);
  REQUIRE(many->size() == 2);
  CHECK((*many)[0] == std::vector<float>(100, 0.0F));
  CHECK((*many)[1] == *one);
}

TEST_CASE_METHOD(test::frozen_system, "embedding without its data says how to get it") {
  auto actor = spawn(embedding, embedding_work(nullptr), places());
  auto one = ask<std::vector<float>>(actor, flow(), atom::embed_v, std::string{"hello"});
  REQUIRE_FALSE(one);
  CHECK(to_failure(one.error()).code == ec::unavailable);
  CHECK(to_failure(one.error()).message.find("scripts/data/fetch") != std::string::npos);
}

TEST_CASE_METHOD(test::frozen_system, "topics names what a text is about") {
  auto actor = spawn(analyser, topics_work(), places());
  auto found =
      ask<texts>(actor, flow(), atom::analyse_v, std::string{"The doctor asked about my laptop"});
  REQUIRE(found);
  CHECK(*found == texts{"health", "tech"});
}
