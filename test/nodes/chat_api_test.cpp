#include <catch2/catch.hpp>

#include "nodes/chat_api.hpp"
#include "test/nodes/json_noise.hpp"

using namespace sotto;
using Catch::Contains;
using nlohmann::json;

namespace {

surface with_one_persona() {
  options x;
  x.personas.resize(1);
  return surface{x};
}

const surface with = with_one_persona();

const json valid_chat = json::parse(R"({"user_id": "ada", "message": "Hello!",
  "metadata_level": "extended", "context": {"channel_id": "c1", "channel_type": "guild",
  "platform": "discord", "metadata": {"x": 1}}})");

json valid_batch() {
  json x{{"metadata_level", "basic"}, {"messages", {valid_chat, valid_chat}}};
  x["messages"][1]["user_id"] = "bo";
  return x;
}

plain_chat_call chat(const json& body, failure& why) {
  why = {};
  return read_plain_chat(body.dump(), "default", with, why);
}

plain_batch_call batch(const json& body, failure& why) {
  why = {};
  return read_plain_batch(body.dump(), "default", with, why);
}

} // namespace

TEST_CASE("a plain chat becomes a turn of its channel, which remembers for itself") {
  failure why;
  auto x = chat(valid_chat, why);
  CHECK(why.message == "");
  CHECK(x.level == metadata_level::extended);
  REQUIRE(x.turns.size() == 1);
  CHECK(x.turns[0].owner == owner_key{"default", "channel:c1"});
  CHECK(x.turns[0].speaker == "ada");
  CHECK(x.turns[0].text == "Hello!");
  CHECK(x.turns[0].persona == "companion");
  CHECK(x.turns[0].conversation == "c1");
}

TEST_CASE("a plain chat without a channel, or in a direct one, is the user's own conversation") {
  failure why;
  CHECK(chat(json{{"user_id", 5}, {"message", "Hi"}}, why).turns[0].conversation == "5");
  CHECK_FALSE(why);
  auto direct = valid_chat;
  direct["context"]["channel_type"] = "dm";
  CHECK(chat(direct, why).turns[0].conversation == "ada");
  CHECK(chat(direct, why).turns[0].owner.owner == "ada");
  CHECK_FALSE(why);
  CHECK(chat(json{{"user_id", "a"}, {"message", "Hi"}}, why).level == metadata_level::standard);
}

TEST_CASE("a plain chat that is wrong names its field") {
  const std::vector<std::pair<std::string, json>> wrong{
      {"/user_id", nullptr},
      {"/user_id", ""},
      {"/user_id", true},
      {"/message", nullptr},
      {"/message", ""},
      {"/message", 7},
      {"/message", std::string((32 << 10) + 1, 'x')},
      {"/metadata_level", "all"},
      {"/metadata_level", 1},
      {"/context", "x"},
      {"/context/channel_id", json::array()},
      {"/context/channel_type", 1},
      {"/context/platform", 1},
      {"/context/metadata", "x"}};
  for (auto& [place, value] : wrong) {
    CAPTURE(place, value.dump().substr(0, 100));
    auto body = valid_chat;
    body[json::json_pointer{place}] = value;
    failure why;
    chat(body, why);
    CHECK(why.code == ec::invalid);
    auto name = place.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    CHECK(why.param == name);
    CHECK_THAT(why.message, Contains("'" + name + "'"));
  }
}

TEST_CASE("a batch keeps its order, and what is wrong in it fails alone") {
  auto body = valid_batch();
  body["messages"].push_back({{"user_id", "cy"}, {"message", 5}});
  body["messages"].push_back("no object");
  failure why;
  auto x = batch(body, why);
  CHECK(why.message == "");
  CHECK(x.level == metadata_level::basic);
  REQUIRE(x.turns.size() == 4);
  REQUIRE(x.problems.size() == 4);
  CHECK_FALSE(x.problems[0]);
  CHECK(x.turns[1].speaker == "bo");
  CHECK(x.problems[2].param == "messages[2].message");
  CHECK(x.problems[3].param == "messages[3]");
}

TEST_CASE("a batch as a whole is refused for its length or kind") {
  failure why;
  for (auto& messages : {json(nullptr), json(5), json::array(), json(std::vector<json>(11))}) {
    auto body = valid_batch();
    body["messages"] = messages;
    batch(body, why);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == "messages");
  }
  auto body = valid_batch();
  body["metadata_level"] = "none";
  CHECK(batch(body, why).turns.empty());
  CHECK(why.param == "metadata_level");
}

TEST_CASE("plain answers tell as much as was asked for") {
  turn_request turn;
  turn.persona = "companion";
  turn.speaker = "ada";
  turn_reply reply;
  reply.text = "Hello, Ada.";
  reply.duration = 1'500'000;
  reply.memories.resize(2);
  auto basic = plain_chat_answer(turn, reply, metadata_level::basic, 0);
  CHECK(basic["success"] == true);
  CHECK(basic["response"] == "Hello, Ada.");
  CHECK(basic["processing_time_ms"] == 1.5);
  CHECK_FALSE(basic.contains("metadata"));
  auto standard = plain_chat_answer(turn, reply, metadata_level::standard, 0);
  CHECK(standard["metadata"]["ai_components"]["memory_count"] == 2);
  CHECK_FALSE(standard.contains("user_facts"));
  auto extended = plain_chat_answer(turn, reply, metadata_level::extended, 0);
  CHECK(extended["user_facts"]["name"] == "ada");
}

TEST_CASE("a batch is answered with everyone's index and user") {
  failure why;
  auto call = batch(valid_batch(), why);
  auto bad = plain_chat_failure({ec::invalid, "'message' must be a string", {}}, "companion", 0);
  CHECK(bad["success"] == false);
  auto x = plain_batch_answer({plain_chat_answer(call.turns[0], {}, call.level, 0), bad}, call,
                              "companion", 0);
  CHECK(x["total_processed"] == 2);
  CHECK(x["results"][1]["user_id"] == "bo");
  CHECK(x["results"][1]["index"] == 1);
  CHECK(x["results"][1]["error"] == "'message' must be a string");
  CHECK_FALSE(x["results"][0].contains("timestamp"));
  CHECK(bot_info(with, 0)["bot_name"] == "companion");
}

TEST_CASE("noise in plain chats gives turns or a failure that says why") {
  test::make_noise(valid_chat, 41, [](const std::string& text) {
    failure why;
    auto x = read_plain_chat(text, "default", with, why);
    REQUIRE((why ? !why.message.empty() : !x.turns.at(0).text.empty()));
  });
  test::make_noise(valid_batch(), 42, [](const std::string& text) {
    failure why;
    auto x = read_plain_batch(text, "default", with, why);
    if (why) {
      REQUIRE_FALSE(why.message.empty());
      return;
    }
    REQUIRE(x.turns.size() == x.problems.size());
    for (size_t i = 0; i < x.turns.size(); ++i)
      REQUIRE((x.problems[i] ? !x.problems[i].message.empty() : !x.turns[i].text.empty()));
  });
}
