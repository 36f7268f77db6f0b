#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// A window of four lines, and a summary when four more have left it.
class summary_fixture : public test::turn_fixture {
public:
  summary_fixture() {
    auto with = std::make_shared<session_parts>(*parts);
    with->options.context_lines = 4;
    with->options.summary_lines = 4;
    parts = with;
  }

  void talk(const session_actor& to, int turns, const char* persona = "companion") {
    for (int i = 0; i < turns; ++i) {
      ++said_;
      say(to, said_, "cats number " + std::to_string(said_), persona);
      run();
    }
  }

  const std::string& instructions() { return world->prompts.back().messages.at(0).content; }

private:
  uint64_t said_ = 0;
};

} // namespace

TEST_CASE_METHOD(summary_fixture, "lines that leave the window are told in short from then on") {
  auto s = start_session();
  talk(s, 4);
  REQUIRE(world->summaries.size() == 1);
  auto& kept = world->summaries[0];
  CHECK(kept.conversation == "talk");
  CHECK(kept.upto == 4);
  CHECK(kept.text.find("cats number 1") != std::string::npos);
  CHECK(kept.text.find("cats number 3") == std::string::npos);
  CHECK(instructions().find("cats number 1") == std::string::npos);
  talk(s, 1);
  CHECK(instructions().find("cats number 1") != std::string::npos);
  CHECK(world->prompts.back().messages.size() == 1 + 4 + 1);
  talk(s, 1);
  REQUIRE(world->summaries.size() == 2);
  CHECK(world->summaries[1].upto == 8);
  CHECK(world->summaries[1].text.find("cats number 1") != std::string::npos);
}

TEST_CASE_METHOD(summary_fixture, "a session that starts again goes on with the summary") {
  world->before = {"talk", "ada: My cat is called Tux.", 2};
  world->recent = {line("ada", "old", false), line("companion", "old too", true)};
  world->recent[0].seq = 1;
  world->recent[1].seq = 2;
  auto s = start_session();
  talk(s, 1);
  CHECK(instructions().find("My cat is called Tux.") != std::string::npos);
}

TEST_CASE_METHOD(summary_fixture, "where a model answers, it is asked, behind everything else") {
  auto s = start_session();
  talk(s, 3, "remote");
  auto before = world->prompts.size();
  talk(s, 1, "remote");
  REQUIRE(world->prompts.size() == before + 2);
  auto& ask = world->prompts.back();
  CHECK(ask.deployments == std::vector<std::string>{"cloud"});
  CHECK(ask.messages.at(1).content.find("ada: cats number 1") != std::string::npos);
  REQUIRE(world->summaries.size() == 1);
  CHECK(world->summaries[0].text.find("echo: Said since") == 0);
}

TEST_CASE_METHOD(summary_fixture, "a model that fails or is silent is done without") {
  world->summary_fails = GENERATE(true, false);
  world->summary_silent = !world->summary_fails;
  auto s = start_session();
  talk(s, 5, "remote");
  pass(61s);
  REQUIRE(world->summaries.size() == 1);
  CHECK(world->summaries[0].text.find("cats number 1") != std::string::npos);
  CHECK(replies().size() == 5);
}

TEST_CASE_METHOD(summary_fixture, "what was removed while a summary was made is not told") {
  world->summary_refused = true;
  auto s = start_session();
  talk(s, 5);
  REQUIRE_FALSE(world->summaries.empty());
  CHECK(instructions().find("cats number 1\n") == std::string::npos);
  CHECK(instructions().find("in short") == std::string::npos);
}

TEST_CASE_METHOD(summary_fixture, "a session that forgets drops its summary too") {
  auto s = start_session();
  talk(s, 5);
  caf::anon_send<caf::message_priority::high>(s, context{}, atom::forget_v);
  talk(s, 1);
  CHECK(instructions().find("in short") == std::string::npos);
}

TEST_CASE_METHOD(summary_fixture, "lines that were read before they were removed are read again") {
  world->recent = {line("ada", "My cat is called Tux.", false)};
  world->recent_waits = true;
  auto s = start_session();
  say(s, 1, "Hello!");
  run();
  REQUIRE(world->read.size() == 1);
  world->recent.clear();
  caf::anon_send<caf::message_priority::high>(s, context{}, atom::forget_v);
  run();
  for (int i = 0; i < 2; ++i) {
    caf::anon_send(shard, flow(), atom::tick_v);
    run();
  }
  REQUIRE(replies().size() == 1);
  CHECK(world->recents == 2);
  for (auto& x : world->prompts.back().messages)
    CHECK(x.content.find("Tux") == std::string::npos);
}

TEST_CASE_METHOD(summary_fixture,
                 "a summary says when its lines were read, which are read again if "
                 "it is refused") {
  world->as_of = 7;
  auto s = start_session();
  talk(s, 3);
  CHECK(world->recents == 1);
  world->summary_refused = true;
  talk(s, 1);
  CHECK(world->summaries_as_of == std::vector<uint64_t>{7});
  world->summary_refused = false;
  world->as_of = 9;
  talk(s, 1);
  CHECK(world->recents == 2);
  talk(s, 4);
  CHECK(world->recents == 2);
  REQUIRE(world->summaries_as_of.size() == 2);
  CHECK(world->summaries_as_of.back() == 9);
}

TEST_CASE_METHOD(summary_fixture,
                 "a session that starts with a kept context knows when its lines were read") {
  world->as_of = 7;
  auto known = std::make_unique<conversation_context>();
  known->as_of = 5;
  auto place = std::make_shared<session_place>(session_key{{"default", "ada"}, "talk"});
  place->context = std::move(known);
  auto s = spawn(session, parts, shard, false, place);
  talk(s, 4);
  CHECK(world->recents == 0);
  CHECK(world->summaries_as_of == std::vector<uint64_t>{5});
}
