#include "nodes/quick_fields.hpp"

#include <catch2/catch.hpp>

#include "nodes/openai_api.hpp"
#include "test/nodes/json_noise.hpp"

using namespace sotto;
using nlohmann::json;

namespace {

constexpr size_t max_text = 32 << 10;

const json valid_chat = json::parse(R"({
  "model": "pirate", "user": "ada", "stream": true, "stream_options": {"include_usage": true},
  "temperature": 0.5, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 0, "n": 1,
  "max_tokens": 100, "max_completion_tokens": 7, "seed": -7, "unknown": [{"a": null}],
  "messages": [{"role": "developer", "content": "Be brief."},
               {"role": "assistant", "content": null},
               {"role": "user", "content": "What is \"tea\"? \ud83c\udf75"}]})");

const json valid_embeddings = json::parse(R"({"model": "text-embedding-3-small",
  "input": ["one", "", "thr\u00e9e \u0000 \ud83d\ude00"], "encoding_format": "base64",
  "dimensions": 100, "more": {"a": [1, 2.5]}})");

/// `text` with random escapes, digits and fields put in the way of a reader.
std::string bent(std::string text, splitmix& random) {
  constexpr std::string_view pieces[] = {"\\ud83d",
                                         "\\ude00",
                                         "\\u0000",
                                         "\\u00e9",
                                         "\\/",
                                         "\xed\xa0\x80",
                                         "\xc0\x80",
                                         "1e400",
                                         "-0",
                                         "01",
                                         "1.0",
                                         " ",
                                         "\t",
                                         "null",
                                         "18446744073709551616",
                                         "\"user\":7,",
                                         "\"n\":1,",
                                         "\"seed\":18446744073709551615,",
                                         "\"model\":null,",
                                         "\"temperature\":1,",
                                         "\"input\":\"x\",",
                                         "[",
                                         "]"};
  for (auto n = 1 + random() % 3; n > 0; --n) {
    auto piece = pieces[random() % std::size(pieces)];
    auto at = random() % (text.size() + 1);
    if (piece.ends_with(',')) // a field: where one may begin
      at = text.find_first_of("{", at) + 1;
    text.insert(std::min(at, text.size()), piece);
  }
  return text;
}

/// Calls `compare` with bodies of all kinds; it says whether the quick reader took one.
template <class Compare>
void agree(const json& valid, uint64_t seed, Compare compare) {
  size_t taken = 0;
  auto count = [&](const std::string& text) { taken += compare(text) ? 1 : 0; };
  test::make_noise(valid, seed, count);
  splitmix random{seed};
  for (int i = 0; i < 5000; ++i)
    count(bent(valid.dump(-1, ' ', random() % 2 == 0), random));
  CHECK(taken > 500);
}

bool same(const chat_fields& a, const chat_fields& b) {
  auto message = [](auto& x, auto& y) { return x.role == y.role && x.content == y.content; };
  return a.model == b.model && a.user == b.user && a.parameters == b.parameters
         && a.stream == b.stream && a.include_usage == b.include_usage
         && std::equal(a.messages.begin(), a.messages.end(), b.messages.begin(), b.messages.end(),
                       message);
}

} // namespace

TEST_CASE("well-made bodies are read without a tree") {
  auto chat = quick_chat_fields(valid_chat.dump(), max_text);
  REQUIRE(chat);
  CHECK(chat->model == "pirate");
  CHECK(chat->user == "ada");
  CHECK(chat->stream);
  CHECK(chat->include_usage);
  REQUIRE(chat->messages.size() == 3);
  CHECK(chat->messages[0].role == "system");
  CHECK(chat->messages[2].content == "What is \"tea\"? \xf0\x9f\x8d\xb5");
  CHECK(json::parse(chat->parameters)["seed"] == -7);
  auto embeddings = quick_embedding_fields(valid_embeddings.dump());
  REQUIRE(embeddings);
  CHECK(embeddings->input.size() == 3);
  CHECK(embeddings->input[2] == std::string_view{"thr\u00e9e \0 \U0001f600", 13});
  CHECK(embeddings->dimensions == 100);
  CHECK(quick_emotion_texts(R"({"input":"one","model":5})")->size() == 1);
}

TEST_CASE("bodies that need another look are left to the other reader") {
  for (std::string text :
       {"", "[]", "{}", R"({"input":[]})", R"({"input":["a",1]})", R"({"input":["a"],"input":"b"})",
        "\xef\xbb\xbf{\"input\":[\"a\"]}", "{\"input\":[\"\xff\"]}", R"({"input":["a"]} x)",
        R"({"input":["\ud800"]})"}) {
    CAPTURE(text);
    CHECK_FALSE(quick_emotion_texts(text));
  }
  for (auto [key, value] : {std::pair<const char*, json>{"stop", "a"},
                            {"tools", json::array()},
                            {"temperature", 3},
                            {"n", 2},
                            {"user", json::array()}}) {
    auto body = valid_chat;
    body[key] = value;
    CAPTURE(key);
    CHECK_FALSE(quick_chat_fields(body.dump(), max_text));
  }
  auto nested = [](size_t depth) {
    return R"({"input":["a"],"x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']')
           + "}";
  };
  CHECK(quick_emotion_texts(nested(64)));
  CHECK_FALSE(quick_emotion_texts(nested(65)));
  json most{{"input", std::vector<std::string>(max_emotion_inputs, "x")}};
  CHECK(quick_emotion_texts(most.dump()));
  most["input"].push_back("x");
  CHECK_FALSE(quick_emotion_texts(most.dump()));
}

TEST_CASE("a body larger than the memory that is kept is read too") {
  json body{{"input", {std::string(1 << 20, 'x'), "y"}}};
  CHECK(quick_emotion_texts(body.dump())->front().size() == 1 << 20);
  CHECK(quick_emotion_texts(R"({"input":"after"})")->front() == "after");
}

TEST_CASE("what the quick reader takes of a chat request the other one takes the same") {
  agree(valid_chat, 31, [](const std::string& text) {
    auto quick = quick_chat_fields(text, max_text);
    if (!quick)
      return false;
    failure why;
    auto other = read_chat_fields(text, max_text, why);
    CAPTURE(text, why.message);
    REQUIRE_FALSE(why);
    REQUIRE(same(*quick, other));
    return true;
  });
}

TEST_CASE("what the quick reader takes of arrays the other one takes the same") {
  agree(valid_embeddings, 32, [](const std::string& text) {
    failure why;
    if (auto texts = quick_emotion_texts(text)) {
      auto other = read_emotion_texts(text, why);
      CAPTURE(text, why.message);
      REQUIRE_FALSE(why);
      REQUIRE(*texts == other);
    }
    auto quick = quick_embedding_fields(text);
    if (!quick)
      return false;
    auto other = read_embedding_fields(text, why);
    CAPTURE(text, why.message);
    REQUIRE_FALSE(why);
    REQUIRE(quick->input == other.input);
    REQUIRE(quick->model == other.model);
    REQUIRE(quick->format == other.format);
    REQUIRE(quick->dimensions == other.dimensions);
    return true;
  });
}
