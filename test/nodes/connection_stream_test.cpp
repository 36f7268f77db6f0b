#include "test/nodes/socket_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(socket_fixture, "a stream of which a piece was lost is whole in the end") {
  auto x = open();
  json body{{"user", "ada"}, {"text", "hello"}, {"stream", true}};
  send(x, {{"id", 1}, {"type", "say"}, {"body", body}});
  piece(0, 0, "Once ");
  piece(0, 10, "a time "); // "upon " was refused somewhere
  piece(0, 17, "there");
  answer(0, "Once upon a time there was");
  std::string text;
  for (auto& token : x.channel->of_type("token")) {
    CHECK(token["body"]["offset"] == text.size());
    text += token["body"]["text"].get<std::string>();
  }
  CHECK(text == "Once upon a time there was");
  CHECK(x.channel->frames.back()["type"] == "reply");
}

TEST_CASE_METHOD(socket_fixture, "a stream that was taken up again and lost a piece is whole too") {
  auto x = open();
  json body{{"user", "ada"}, {"text", "hello"}, {"resume", 5}, {"idempotency_key", "k"}};
  send(x, {{"id", 1}, {"type", "say"}, {"body", body}});
  auto& turn = world->turns.at(0);
  caf::anon_send(turn.client, context{}, atom::resumed_v, turn.ticket, true);
  run();
  piece(0, 10, "a time ");
  answer(0, "Once upon a time");
  auto tokens = x.channel->of_type("token");
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0]["body"]["offset"] == 5);
  CHECK(tokens[0]["body"]["text"] == "upon a time");
}

TEST_CASE_METHOD(socket_fixture, "no token is made up where no stream was asked for") {
  auto x = open();
  say(x, "ada");
  answer(0, "Once upon a time");
  CHECK(x.channel->of_type("token").empty());
}

TEST_CASE_METHOD(socket_fixture, "a stream over HTTP of which a piece was lost is whole too") {
  auto channel = std::make_shared<fake_channel>();
  auto actor = spawn(connection, to, std::shared_ptr<reply_channel>{channel});
  http_call call;
  call.verb = http_verb::post;
  call.path = "/v1/chat/completions";
  call.user = "ada";
  call.body = R"({"model":"companion","stream":true,"messages":[{"role":"user","content":"hi"}]})";
  caf::anon_send(actor, context{}, atom::request_v, std::move(call));
  run();
  piece(0, 0, "Once ");
  piece(0, 10, "a time");
  answer(0, "Once upon a time");
  CHECK(channel->ended);
  std::string text;
  for (size_t at = 0; (at = channel->pieces.find("data: {", at)) != std::string::npos;) {
    at += 6;
    auto event = json::parse(channel->pieces.substr(at, channel->pieces.find('\n', at) - at));
    text += event["choices"][0]["delta"].value("content", "");
  }
  CHECK(text == "Once upon a time");
}
