#include <catch2/catch.hpp>

#include "nodes/json_output.hpp"
#include "nodes/openai_api.hpp"
#include "test/nodes/json_noise.hpp"

using namespace sotto;
using Catch::Contains;
using nlohmann::json;

namespace {

surface with_two_personas() {
  options x;
  x.personas.resize(2);
  x.personas[1].name = "pirate";
  x.llm.deployments.resize(1);
  x.llm.deployments[0].name = "cloud";
  x.llm.deployments[0].model = "big/model";
  x.senses.embedding_aliases = {"text-embedding-3-small"};
  return surface{x};
}

const surface with = with_two_personas();

const json valid_chat = json::parse(R"({
  "model": "pirate", "user": "ada", "stream": true, "stream_options": {"include_usage": true},
  "temperature": 0.5, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 0, "n": 1,
  "max_tokens": 100, "seed": -7, "stop": ["a", "b"], "response_format": {"type": "text"},
  "tools": [], "logprobs": false, "modalities": ["text"],
  "messages": [{"role": "developer", "content": "Be brief."},
               {"role": "assistant", "content": null},
               {"role": "user", "content": [{"type": "text", "text": "What is "},
                                            {"type": "text", "text": "tea?"}]}]})");

const json valid_embeddings = json::parse(R"({"model": "text-embedding-3-small",
  "input": ["one", ""], "encoding_format": "base64", "dimensions": 100})");

http_call call_of(std::string body) {
  http_call x;
  x.body = std::move(body);
  return x;
}

chat_call chat(const json& body, failure& why) {
  return read_chat(call_of(body.dump()), with, why);
}

/// What a body with one field changed is refused for.
failure chat_refusal(const char* key, const json& value) {
  auto body = valid_chat;
  body[key] = value;
  failure why;
  chat(body, why);
  return why;
}

failure embeddings_refusal(const char* key, const json& value) {
  auto body = valid_embeddings;
  body[key] = value;
  failure why;
  read_embeddings(body.dump(), with, why);
  return why;
}

json events_of(const std::string& text) {
  auto result = json::array();
  for (size_t at = 0; at < text.size();) {
    auto end = text.find("\n\n", at);
    REQUIRE(end != std::string::npos);
    auto data = text.substr(at, end - at);
    REQUIRE(data.starts_with("data: "));
    result.push_back(data == "data: [DONE]" ? json("done") : json::parse(data.substr(6)));
    at = end + 2;
  }
  return result;
}

} // namespace

TEST_CASE("a chat request becomes a turn of its persona, user and conversation") {
  failure why;
  auto x = chat(valid_chat, why);
  CHECK(why.message == "");
  CHECK_FALSE(x.pass_through);
  CHECK(x.stream);
  CHECK(x.include_usage);
  CHECK(x.turn.stream);
  CHECK(x.turn.persona == "pirate");
  CHECK(x.turn.owner == owner_key{"default", "ada"});
  CHECK(x.turn.speaker == "ada");
  CHECK(x.turn.conversation == "ada");
  CHECK(x.turn.text == "What is tea?");
  REQUIRE(x.turn.history.size() == 2);
  CHECK(x.turn.history[0].role == "system");
  CHECK(x.turn.history[0].content == "Be brief.");
  CHECK(x.turn.history[1].content.empty());
  CHECK(json::parse(x.turn.parameters)
        == json::parse(R"({"temperature":0.5,"top_p":1.0,"presence_penalty":-2.0,
           "frequency_penalty":0.0,"max_tokens":100,"seed":-7,"stop":["a","b"],
           "response_format":{"type":"text"}})"));
}

TEST_CASE("the least chat request is a turn of nobody with the first persona") {
  failure why;
  auto x = chat(json::parse(R"({"messages":[{"role":"user","content":"Hi"}]})"), why);
  CHECK_FALSE(why);
  CHECK(x.turn.persona == "companion");
  CHECK(x.turn.owner.owner.empty());
  CHECK(x.turn.speaker == "user");
  CHECK(x.turn.parameters.empty());
  CHECK_FALSE(x.stream);
}

TEST_CASE("headers say whose turn it is where the body does not") {
  auto call = call_of(R"({"messages":[{"role":"user","content":"Hi"}]})");
  call.user = "bo";
  call.conversation = "evening";
  call.idempotency_key = "k1";
  failure why;
  auto x = read_chat(call, with, why);
  CHECK_FALSE(why);
  CHECK(x.turn.owner.owner == "bo");
  CHECK(x.turn.conversation == "evening");
  CHECK(x.turn.idempotency_key == "k1");
  call.body = R"({"user":17,"messages":[{"role":"user","content":"Hi"}]})";
  CHECK(read_chat(call, with, why).turn.owner.owner == "17");
  call.conversation.assign(max_name_bytes + 1, 'x');
  read_chat(call, with, why);
  CHECK(why.param == "user");
}

TEST_CASE("what is said in a group belongs to the group, by its speaker") {
  auto call = call_of(R"({"user":"ada","messages":[{"role":"user","content":"Hi"}]})");
  call.group = "lobby";
  failure why;
  auto turn = read_chat(call, with, why).turn;
  CHECK_FALSE(why);
  CHECK(turn.owner.owner == "channel:lobby");
  CHECK(turn.speaker == "ada");
  CHECK(turn.conversation == "lobby");
  call.conversation = "evening";
  CHECK(read_chat(call, with, why).turn.conversation == "evening");
  SECTION("it needs somebody who speaks") {
    call.body = R"({"messages":[{"role":"user","content":"Hi"}]})";
  }
  SECTION("its name has a bound") {
    call.group.assign(max_name_bytes + 1, 'x');
  }
  read_chat(call, with, why);
  CHECK(why.param == "Sotto-Group");
}

TEST_CASE("a model with a deployment's name passes through") {
  auto body = valid_chat;
  body["model"] = "cloud/any/model";
  failure why;
  auto x = chat(body, why);
  CHECK_FALSE(why);
  CHECK(x.pass_through);
  CHECK(x.direct.stream);
  CHECK(x.direct.deployments == std::vector<std::string>{"cloud"});
  CHECK(x.direct.model == "any/model");
  REQUIRE(x.direct.messages.size() == 3);
  CHECK(x.direct.messages[2].content == "What is tea?");
  CHECK(json::parse(x.direct.parameters)["seed"] == -7);
  auto unknown = chat_refusal("model", "elsewhere/model");
  CHECK(unknown.code == ec::not_found);
  CHECK(unknown.param == "model");
  CHECK(chat_refusal("model", "cloud").code == ec::not_found);
}

TEST_CASE("a field of the wrong kind or out of its range is named") {
  const std::vector<std::pair<const char*, json>> wrong{
      {"model", 5},
      {"model", std::string(max_name_bytes + 1, 'x')},
      {"user", json::array()},
      {"user", std::string(max_name_bytes + 1, 'x')},
      {"stream", "yes"},
      {"temperature", 2.1},
      {"temperature", "hot"},
      {"top_p", -0.1},
      {"presence_penalty", 3},
      {"frequency_penalty", true},
      {"max_tokens", 0},
      {"max_tokens", 1.5},
      {"max_completion_tokens", -1},
      {"seed", UINT64_MAX},
      {"seed", "7"},
      {"n", 2},
      {"n", "1"},
      {"stop", 5},
      {"stop", {1, 2}},
      {"stop", json::object()},
      {"response_format", "json"},
      {"response_format", json::array()},
      {"tools", {{{"type", "function"}}}},
      {"logprobs", true},
      {"modalities", {"text", "audio"}},
      {"messages", nullptr},
      {"messages", "Hi"},
      {"messages", json::array()},
      {"messages", json(std::vector<json>(4097, json::object()))}};
  for (auto& [key, value] : wrong) {
    CAPTURE(key, value.dump().substr(0, 100));
    auto why = chat_refusal(key, value);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == key);
    CHECK_THAT(why.message, Contains("'" + std::string{key} + "'"));
  }
  auto options = chat_refusal("stream_options", {{"include_usage", 1}});
  CHECK(options.param == "stream_options.include_usage");
  CHECK(chat_refusal("stream_options", 1).param == "stream_options");
}

TEST_CASE("a message that is wrong is named with its place") {
  const std::vector<std::tuple<json, const char*, const char*>> wrong{
      {json{{"role", "user"}, {"content", 5}}, "messages[0].content", "string or an array"},
      {json{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}, "messages[0].content",
       "type text only"},
      {json{{"role", "user"}, {"content", {"text"}}}, "messages[0].content", "type text only"},
      {json{{"role", "user"}, {"content", {{{"type", "text"}, {"text", 1}}}}},
       "messages[0].content", "type text only"},
      {json{{"role", "user"}, {"content", std::string((32 << 10) + 1, 'x')}}, "messages[0].content",
       "longer than"},
      {json{{"role", "tool"}, {"content", "x"}}, "messages[0].role", "must be system"},
      {json{{"content", "x"}}, "messages[0].role", "required"},
      {json{{"role", 1}, {"content", "x"}}, "messages[0].role", "must be a string"},
      {json{{"role", "assistant"}, {"content", "x"}}, "messages[0].role", "must be user"},
      {json{{"role", "user"}}, "messages", "no text"},
      {json("Hi"), "messages[0]", "must be a JSON object"}};
  for (auto& [message, param, part] : wrong) {
    CAPTURE(message.dump().substr(0, 100));
    auto why = chat_refusal("messages", json::array({message}));
    CHECK(why.code == ec::invalid);
    CHECK(why.param == param);
    CHECK_THAT(why.message, Contains(part));
  }
  json long_line{{"role", "user"}, {"content", std::string(3 << 20, 'x')}};
  auto why = chat_refusal(
      "messages", json::array({long_line, long_line, {{"role", "user"}, {"content", "x"}}}));
  CHECK(why.param == "messages");
  CHECK_THAT(why.message, Contains("longer than 4194304 bytes together"));
}

TEST_CASE("an embeddings request gives its texts, model and format") {
  failure why;
  auto x = read_embeddings(valid_embeddings.dump(), with, why);
  CHECK(why.message == "");
  CHECK(x.input == std::vector<std::string>{"one", ""});
  CHECK(x.base64);
  CHECK(x.bytes == 3);
  CHECK(read_embeddings(R"({"input":"one"})", with, why).input.size() == 1);
  CHECK(read_embeddings(R"({"input":["a"],"model":"sotto-sif-100d"})", with, why).base64 == false);
  CHECK_FALSE(why);
}

TEST_CASE("an embeddings request that is wrong names its field") {
  const std::vector<std::pair<const char*, json>> wrong{
      {"model", 5},
      {"input", nullptr},
      {"input", 5},
      {"input", json::array()},
      {"input", {1, 2}},
      {"input", {"a", nullptr}},
      {"input", json(std::vector<std::string>(2049, "x"))},
      {"input", std::string((1 << 20) + 1, 'x')},
      {"input", json::array({std::string((1 << 20) + 1, 'x')})},
      {"encoding_format", "hex"},
      {"encoding_format", 5},
      {"dimensions", 99},
      {"dimensions", "100"}};
  for (auto& [key, value] : wrong) {
    CAPTURE(key, value.dump().substr(0, 100));
    auto why = embeddings_refusal(key, value);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == key);
  }
  CHECK(embeddings_refusal("model", "other").code == ec::not_found);
}

TEST_CASE("vectors are listed in order, as numbers or as base64 of little-endian floats") {
  embeddings_call call;
  call.bytes = 9;
  auto x = json::parse(embedding_list({{1, -0.5F}, {0, 2}}, call));
  CHECK(x["object"] == "list");
  CHECK(x["data"][1]["index"] == 1);
  CHECK(x["data"][0]["embedding"] == json({1.0, -0.5}));
  CHECK(x["usage"]["prompt_tokens"] == 3);
  call.base64 = true;
  auto y = json::parse(embedding_list({{1, -0.5F}, {0, 2}}, call));
  CHECK(y["data"][0]["embedding"] == "AACAPwAAAL8=");
}

TEST_CASE("a request for emotions gives its texts or names its field") {
  failure why;
  CHECK(read_emotions(R"({"input":["a","b"]})", why).size() == 2);
  CHECK_FALSE(why);
  read_emotions(R"({"input":7})", why);
  CHECK(why.param == "input");
  auto x = json::parse(emotion_list({emotion_items({{}, {}}), emotion_items({{}})}));
  CHECK(x["data"].size() == 3);
}

TEST_CASE("replies have OpenAI's shape") {
  turn_reply reply;
  reply.text = "Ahoy \xff!"; // a provider's bytes need not be UTF-8
  reply.model = "big";
  reply.usage = {3, 4};
  auto x = json::parse(chat_completion(reply, "t1", 12));
  CHECK(x["object"] == "chat.completion");
  CHECK(x["id"] == "chatcmpl-t1");
  CHECK(x["created"] == 12);
  CHECK(x["choices"][0]["message"]["content"] == "Ahoy \xef\xbf\xbd!");
  CHECK(x["choices"][0]["finish_reason"] == "stop");
  CHECK(x["usage"]["total_tokens"] == 7);
  CHECK(x["sotto"].is_object());
  CHECK_FALSE(json::parse(chat_completion(completion{}, "t1", 12)).contains("sotto"));
}

TEST_CASE("streamed replies are events with the usage where asked for") {
  auto first = events_of(chat_first_event("big", "t1", 12));
  CHECK(first[0]["choices"][0]["delta"]["role"] == "assistant");
  auto token = events_of(chat_token_event("a\n\nb", "big", "t1", 12));
  REQUIRE(token.size() == 1);
  CHECK(token[0]["choices"][0]["delta"]["content"] == "a\n\nb");
  CHECK(token[0]["choices"][0]["finish_reason"].is_null());
  auto last = events_of(chat_last_events(turn_reply{}, true, "t1", 12));
  REQUIRE(last.size() == 3);
  CHECK(last[0]["choices"][0]["finish_reason"] == "stop");
  CHECK(last[1]["choices"].empty());
  CHECK(last[1]["usage"]["total_tokens"] == 0);
  CHECK(last[2] == "done");
  CHECK(events_of(chat_last_events(completion{}, false, "t1", 12)).size() == 2);
  auto error = events_of(chat_error_event({ec::timeout, "too late", {}}));
  CHECK(error[0]["error"]["message"] == "too late");
}

TEST_CASE("models are the personas, the deployments and the embedder") {
  std::vector<std::string> ids;
  auto list = json::parse(model_list(with, 12));
  for (auto& x : list["data"])
    ids.push_back(x["id"]);
  CHECK(ids
        == std::vector<std::string>{"companion", "pirate", "cloud/big/model", "sotto-sif-100d"});
}

TEST_CASE("noise in a chat request gives a turn or a failure that says why") {
  test::make_noise(valid_chat, 21, [](std::string text) {
    failure why;
    auto x = read_chat(call_of(std::move(text)), with, why);
    if (why) {
      REQUIRE_FALSE(why.message.empty());
      REQUIRE((why.code == ec::invalid || why.code == ec::not_found));
      return;
    }
    REQUIRE_FALSE(x.pass_through);
    REQUIRE(with.has_persona(x.turn.persona));
    REQUIRE_FALSE(x.turn.text.empty());
    REQUIRE(x.turn.text.size() <= with.limits.max_text);
    REQUIRE(x.turn.owner.owner.size() <= max_name_bytes);
    REQUIRE((x.turn.parameters.empty() || json::parse(x.turn.parameters).is_object()));
  });
}

TEST_CASE("noise in a request for embeddings gives texts or a failure that says why") {
  test::make_noise(valid_embeddings, 22, [](const std::string& text) {
    failure why;
    auto x = read_embeddings(text, with, why);
    if (why)
      REQUIRE_FALSE(why.message.empty());
    else
      REQUIRE_FALSE(x.input.empty());
    failure other;
    auto texts = read_emotions(text, other);
    REQUIRE((other ? !other.message.empty() : !texts.empty()));
  });
}
