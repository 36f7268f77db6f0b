#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "actors/openai_upstream.hpp"
#include "actors/sse_parser.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

llm_deployment cloud() {
  llm_deployment x;
  x.name = "cloud";
  x.model = "m-1";
  return x;
}

std::vector<std::string> events_of(std::string_view bytes, splitmix* cut = nullptr) {
  std::vector<std::string> result;
  sse_parser parser{[&](std::string_view data) { result.emplace_back(data); }};
  while (!bytes.empty()) {
    auto n = cut ? std::min<size_t>(1 + (*cut)() % 5, bytes.size()) : bytes.size();
    CHECK(parser.feed(bytes.substr(0, n)));
    bytes.remove_prefix(n);
  }
  return result;
}

} // namespace

TEST_CASE("a request carries the client's parameters, the model and the messages") {
  generation ask;
  ask.messages = {{"system", "Be kind."}, {"user", "Hi \xff"}};
  ask.parameters = R"({"temperature":0.5,"model":"other","stream":true})";
  auto body = nlohmann::json::parse(chat_body(ask, cloud()));
  CHECK(body["model"] == "m-1");
  CHECK(body["temperature"] == 0.5);
  CHECK(body["messages"].size() == 2);
  ask.model = "m-2";
  ask.stream = true;
  body = nlohmann::json::parse(chat_body(ask, cloud()));
  CHECK(body["model"] == "m-2");
  CHECK(body["stream_options"]["include_usage"] == true);
}

TEST_CASE("a plain answer is read with usage and finish reason") {
  auto x = read_answer(R"({"model":"m-1-x","choices":[{"message":{"content":"Hi"},
      "finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":1}})",
                       cloud());
  REQUIRE_FALSE(x.why);
  CHECK(x.result.text == "Hi");
  CHECK(x.result.model == "m-1-x");
  CHECK(x.result.finish_reason == "length");
  CHECK(x.result.usage.prompt == 3);
}

TEST_CASE("an answer that is none says what is wrong") {
  for (auto* body : {"", "<html>", "[]", "{}", R"({"choices":[]})", R"({"choices":[{}]})"})
    CHECK(read_answer(body, cloud()).why.code == ec::upstream_failed);
  auto x = read_answer(R"({"error":{"message":"model is loading"}})", cloud());
  CHECK(x.why.message == "cloud: model is loading");
  CHECK(read_answer(R"({"error":"plain words"})", cloud()).why.message == "cloud: plain words");
}

TEST_CASE("refusals are told apart and keys never repeated") {
  CHECK(read_refusal(400, 0, R"({"error":{"message":"bad"}})", cloud()).code == ec::invalid);
  CHECK(read_refusal(500, 0, "<html>", cloud()).code == ec::upstream_failed);
  auto slow = read_refusal(429, 7, "", cloud());
  CHECK(slow.code == ec::overloaded);
  CHECK(slow.param == "7");
  auto key = read_refusal(401, 0, R"({"error":{"message":"bad key sk-secret"}})", cloud());
  CHECK(key.message.find("sk-secret") == std::string::npos);
}

TEST_CASE("a streamed answer adds up") {
  completion total;
  CHECK(read_piece(R"({"choices":[{"delta":{"role":"assistant"}}]})", total, cloud()).text.empty());
  CHECK(read_piece(R"({"choices":[{"delta":{"content":"He"}}]})", total, cloud()).text == "He");
  read_piece(R"({"choices":[{"delta":{"content":"y"},"finish_reason":"stop"}]})", total, cloud());
  read_piece(R"({"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}})", total, cloud());
  CHECK(read_piece("[DONE]", total, cloud()).done);
  CHECK(total.text == "Hey");
  CHECK(total.usage.completion == 1);
  CHECK(read_piece("{", total, cloud()).why);
}

TEST_CASE("events are the same however the bytes are cut") {
  std::string stream = ": comment\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines\n\ndata\n\n"
                       "id: 1\rdata: \xc3\xa9\r\rdatax: no\n\ndata: [DONE]\n\n";
  auto whole = events_of(stream);
  CHECK(whole == std::vector<std::string>{"one", "two\nlines", "", "\xc3\xa9", "[DONE]"});
  splitmix random{17};
  for (int i = 0; i < 200; ++i)
    CHECK(events_of(stream, &random) == whole);
}

TEST_CASE("an event without end is refused") {
  sse_parser parser{[](std::string_view) {}};
  std::string piece(1 << 16, 'x');
  auto fed = true;
  for (int i = 0; i < 20 && fed; ++i)
    fed = parser.feed(piece);
  CHECK_FALSE(fed);
}

TEST_CASE("random bytes as an answer are refused, not believed") {
  splitmix random{99};
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random() % 200, ' ');
    for (auto& c : bytes)
      c = static_cast<char>(random());
    completion total;
    CHECK(read_answer(bytes, cloud()).why);
    read_piece(bytes, total, cloud());
    read_refusal(500, 0, bytes, cloud());
  }
}
