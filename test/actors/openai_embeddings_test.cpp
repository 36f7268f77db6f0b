#include "actors/openai_embeddings.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "runtime/random.hpp"

using namespace sotto;
using json = nlohmann::json;

namespace {

json row(size_t index, std::vector<double> vector) {
  return {{"object", "embedding"}, {"index", index}, {"embedding", std::move(vector)}};
}

std::string said(const std::vector<json>& data, size_t count, size_t dimensions = 0) {
  auto x = read_embeddings_answer(json{{"data", data}}.dump(), count, dimensions);
  auto* why = std::get_if<failure>(&x);
  return why ? why->message : "";
}

} // namespace

TEST_CASE("a request for embeddings names model and texts") {
  auto body = json::parse(embeddings_body({"a", "b \xff"}, "small", 0));
  CHECK(body["model"] == "small");
  CHECK(body["input"].size() == 2);
  CHECK_FALSE(body.contains("dimensions"));
  CHECK(json::parse(embeddings_body({"a"}, "small", 256))["dimensions"] == 256);
}

TEST_CASE("vectors are put in order by their index and brought to unit length") {
  auto x = read_embeddings_answer(
      json{{"data", std::vector<json>{row(1, {0, 2}), row(0, {3, 4})}}}.dump(), 2, 2);
  auto* vectors = std::get_if<0>(&x);
  REQUIRE(vectors);
  CHECK((*vectors)[0] == std::vector<float>{0.6F, 0.8F});
  CHECK((*vectors)[1] == std::vector<float>{0, 1});
}

TEST_CASE("a vector of unit length comes also of numbers that no float holds") {
  for (auto size : {1e100, 1e-100, 1e39, 1e-46}) {
    auto x = read_embeddings_answer(
        json{{"data", std::vector<json>{row(0, {3 * size, 4 * size})}}}.dump(), 1, 2);
    auto* vectors = std::get_if<0>(&x);
    REQUIRE(vectors);
    CHECK((*vectors)[0] == std::vector<float>{0.6F, 0.8F});
  }
}

TEST_CASE("an answer that is wrong in any way is refused and says how") {
  CHECK(said({row(0, {1})}, 2).find("1 vectors for 2") != std::string::npos);
  CHECK(said({row(0, {1}), row(0, {1})}, 2).find("index 0") != std::string::npos);
  CHECK(said({row(5, {1})}, 1).find("index 5") != std::string::npos);
  CHECK(said({row(0, {1, 2, 3})}, 1, 2).find("3 dimensions, not 2") != std::string::npos);
  CHECK(said({row(0, {1, 2}), row(1, {1})}, 2).find("dimensions") != std::string::npos);
  CHECK(said({row(0, {0, 0})}, 1).find("no direction") != std::string::npos);
  CHECK(said({row(0, {})}, 1).find("no list") != std::string::npos);
  CHECK(said({json{{"index", 0}, {"embedding", json::array({"x"})}}}, 1).find("numbers")
        != std::string::npos);
  CHECK(said({row(0, {1e300, 1e300})}, 1).find("no direction") != std::string::npos);
  CHECK(said({row(0, {1e-200, 1e-300})}, 1).find("no direction") != std::string::npos);
  CHECK(said({json("text")}, 1).find("no 'embedding'") != std::string::npos);
  for (auto* text : {"", "[]", "{}", "{\"data\":1}", "nonsense"})
    CHECK(std::get_if<failure>(
        &*std::make_unique<std::variant<std::vector<std::vector<float>>, failure>>(
            read_embeddings_answer(text, 1, 0))));
}

TEST_CASE("no answer crashes the reader") {
  splitmix random{3};
  auto whole = json{{"data", std::vector<json>{row(0, {1, 2}), row(1, {3, 4})}}}.dump();
  for (int i = 0; i < 20'000; ++i) {
    auto text = whole;
    for (auto n = random() % 4 + 1; n > 0; --n)
      text[random() % text.size()] = static_cast<char>(random());
    text.resize(random() % (text.size() + 1));
    auto x = read_embeddings_answer(text, random() % 3, random() % 3);
    if (auto* vectors = std::get_if<0>(&x))
      for (auto& v : *vectors)
        REQUIRE_FALSE(v.empty());
  }
}
