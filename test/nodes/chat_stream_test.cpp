#include <catch2/catch.hpp>

#include "nodes/chat_stream.hpp"
#include "nodes/cli_client.hpp"
#include "runtime/random.hpp"

using namespace sotto;
using Catch::Contains;
using nlohmann::json;

namespace {

const std::string whole =
    ": comment\r\n"
    "data: {\"model\":\"builtin\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n\r\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"Gr\xc3\xbc\xc3\x9f \"}}]}\n\n"
    "event: message\n"
    "data: {\"choices\":[{\"delta\":\n"
    "data: {\"content\":\"dich\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"sotto\":"
    "{\"emotion\":{\"primary\":\"joy\"},\"degraded\":[\"topics\"]}}\n\n"
    "data: {\"choices\":[],\"usage\":{}}\n\n"
    "data: [DONE]\n\n";

} // namespace

TEST_CASE("a streamed reply is the same wherever its bytes are cut") {
  splitmix random{3};
  for (int i = 0; i < 300; ++i) {
    std::string tokens;
    chat_stream stream{[&](std::string_view x) { tokens.append(x).append("|"); }};
    for (size_t at = 0; at < whole.size();) {
      auto n = 1 + random() % (i == 0 ? 1 : 80);
      stream.feed(std::string_view{whole}.substr(at, n));
      at += n;
    }
    REQUIRE(tokens == "Gr\xc3\xbc\xc3\x9f |dich|");
    REQUIRE(stream.text() == "Gr\xc3\xbc\xc3\x9f dich");
    REQUIRE(stream.model() == "builtin");
    REQUIRE(stream.problem().empty());
    REQUIRE(stream.about()["degraded"][0] == "topics");
  }
}

TEST_CASE("a stream that breaks off or carries an error has a problem") {
  chat_stream cut{{}};
  cut.feed("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
  CHECK(cut.problem() == "the reply broke off");
  CHECK(cut.text() == "a");
  chat_stream error{{}};
  error.feed("data: {\"error\":{\"message\":\"the provider failed\"}}\n\ndata: [DONE]\n\n");
  CHECK(error.problem() == "the provider failed");
  chat_stream silent{{}};
  silent.feed("data: {\"error\":{}}\n\n");
  CHECK_FALSE(silent.problem().empty());
  chat_stream garbage{{}};
  garbage.feed("data: {nonsense\n\ndata: [DONE]\n\n");
  CHECK_THAT(garbage.problem(), Contains("no JSON"));
  chat_stream endless{{}};
  for (int i = 0; i < 9; ++i)
    endless.feed(std::string(1 << 20, 'x'));
  CHECK_THAT(endless.problem(), Contains("too long"));
}

TEST_CASE("random events never crash the reader of a stream, nor pass for a whole reply") {
  splitmix random{5};
  constexpr std::string_view pieces[] = {
      "data: ", "{\"choices\":", "[",    "{\"delta\":", "{\"content\":", "1", "}",
      "]",      "\n\n",          "null", "\"sotto\":",  "\"error\":",    ",", "\"x\"",
      "\r",     "\"model\":"};
  for (int i = 0; i < 3000; ++i) {
    chat_stream stream{[](std::string_view) {}};
    for (auto n = random() % 30; n > 0; --n)
      stream.feed(random() % 5 == 0 ? std::string(1, static_cast<char>(random()))
                                    : std::string{pieces[random() % std::size(pieces)]});
    stream.feed("\n\n");
    REQUIRE_FALSE(stream.problem().empty());
    mood_line(stream.about());
    memories_of(stream.about());
    degraded_line(stream.about());
  }
}

TEST_CASE("text for a terminal loses what could steer it") {
  CHECK(printable("a\x1b[31mb\x07\r\n\tc\x7f") == "a[31mb\n\tc");
  CHECK(printable("\xc2\x9b"
                  "31m\xc3\xa9\xc2\xa0x")
        == "31m\xc3\xa9\xc2\xa0x");
}

TEST_CASE("mood, memories and missing parts are told in one line each") {
  auto about = json::parse(R"({"emotion":{"primary":"joy","intensity":0.75,"valence":0.4,
    "arousal":0.8,"dominance":0.7},"memories":[{"created":"2026-05-03T10:00:00Z","speaker":"ada",
    "text":"I like\ntea","why":"words 0.7","id":"m1"}],"degraded":["topics","recall"]})",
                           nullptr, false);
  REQUIRE(about.is_object());
  CHECK(mood_line(about) == "joy 0.75 (valence 0.40, arousal 0.80, dominance 0.70)");
  CHECK(memory_line(memories_of(about)[0]) == "2026-05-03  ada: I like tea  (words 0.7)  [m1]");
  CHECK(degraded_line(about) == "topics, recall");
  CHECK(mood_line(json{}).empty());
  CHECK(degraded_line(json::parse(R"({"degraded":5})")).empty());
  CHECK(memory_line(json::parse(R"({"text":5,"created":[]})")).empty());
}

TEST_CASE("ids and users are encoded for a URL") {
  CHECK(percent_encoded("a-b_c.d~1") == "a-b_c.d~1");
  CHECK(percent_encoded("a b/\xc3\xa9&") == "a%20b%2F%C3%A9%26");
}

TEST_CASE("failures of a node are told by the message of their error") {
  CHECK(explain({"", 404, R"({"error":{"message":"no such model"}})"})
        == "no such model (status 404)");
  CHECK(explain({"", 400, R"({"error":"bad"})"}) == "bad (status 400)");
  CHECK(explain({"", 502, "<html>"}) == "the node answered with status 502");
  CHECK(explain({"connection refused", 0, ""}) == "connection refused");
}
