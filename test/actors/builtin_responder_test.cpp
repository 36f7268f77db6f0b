#include "actors/builtin_responder.hpp"
#include "actors/prompt.hpp"
#include "test/fixture.hpp"

using namespace sotto;

namespace {

generation ask(std::string text) {
  generation x;
  x.messages = {{"system", "Be kind."}, {"user", std::move(text)}};
  return x;
}

recalled told(std::string text, float score, bool own = false) {
  recalled x;
  x.what.text = std::move(text);
  x.what.created = 1'777'766'400'000'000; // 2026-05-03
  x.what.own = own;
  x.score = score;
  return x;
}

} // namespace

TEST_CASE("the builtin responder answers a question from what it recalls") {
  auto x = ask("What is my cat called?");
  x.memories = {told("What is my cat called?", 2), told("Your cat is Tux", 1.5, true),
                told("My cat is called Tux", 1.2F)};
  auto reply = respond(x);
  CHECK(reply.text.find("My cat is called Tux") != std::string::npos);
  CHECK(reply.text.find("3 May") != std::string::npos);
  CHECK(reply.model == "builtin");
  CHECK(reply.usage.prompt == 7);
  x.memories = to_answer_from(x.memories); // all that a session gives
  CHECK(respond(x).text == reply.text);
}

TEST_CASE("the builtin responder says when it does not remember") {
  auto x = ask("Where did I park?");
  x.memories = {told("I like tea", 0.2F)};
  auto text = compose_reply(x);
  CHECK(text.find("tea") == std::string::npos);
  CHECK((text.find("not") != std::string::npos));
}

TEST_CASE("the builtin responder hears the mood") {
  auto x = ask("My dog died yesterday");
  auto plain = compose_reply(x);
  x.emotion.primary = "sadness";
  x.emotion.intensity = 0.8F;
  CHECK(compose_reply(x) != plain);
  CHECK(compose_reply(x) == compose_reply(x));
}

TEST_CASE("the builtin responder streams exactly what it replies") {
  test::frozen_system sys;
  std::string tokens, text;
  auto model = sys.spawn(builtin);
  auto client = sys.spawn([&](llm_client_actor::pointer) -> llm_client_actor::behavior_type {
    return {[&](const context&, atom::token, uint64_t, const std::string& x) { tokens += x; },
            [&](const context&, atom::completed, uint64_t, const completion& x) { text = x.text; },
            [](const context&, atom::failed, uint64_t, const failure&) {}};
  });
  auto x = ask("I bought a red bicycle today");
  x.stream = true;
  caf::anon_send(model, sys.flow(), atom::generate_v, client, uint64_t{1}, x);
  sys.run();
  CHECK(tokens == text);
  CHECK_FALSE(text.empty());
}
