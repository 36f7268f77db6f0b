// Turns that come again with their key, and streams that are taken up again.
#include "actors/turn_journal.hpp"
#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

class resume_fixture : public test::turn_fixture {
public:
  using test::turn_fixture::turn_fixture;

  void ask_stream(const session_actor& to, uint64_t ticket, int64_t from = -1,
                  const std::string& text = "one two three") {
    auto x = request(text, "companion", "ada", true);
    x.idempotency_key = "k1";
    x.resume_from = from;
    caf::anon_send(to, flow(), atom::say_v, client(), ticket, x);
    run();
  }

  void cancel(const session_actor& at, uint64_t ticket, bool lost) {
    caf::anon_send<caf::message_priority::high>(at, flow(), atom::cancel_v, client(), ticket, lost);
    run();
  }

  void generate(const session_actor& at, const std::string& piece) {
    caf::anon_send(at, flow(), atom::token_v, uint64_t{1}, piece);
    run();
  }

  void complete(const session_actor& at, std::string text, uint64_t number = 1) {
    completion x;
    x.text = std::move(text);
    caf::anon_send(at, flow(), atom::completed_v, number, x);
    run();
  }

  std::string stream(uint64_t ticket) { return world->streams[ticket]; }
};

} // namespace

TEST_CASE_METHOD(resume_fixture, "a retry that attaches to a running stream gets all of it") {
  world->model_silent = true;
  auto s = start_session();
  ask_stream(s, 1);
  generate(s, "one ");
  ask_stream(s, 2);
  CHECK(stream(2) == "one ");
  generate(s, "two");
  complete(s, "one two");
  CHECK(stream(1) == "one two");
  CHECK(stream(2) == "one two");
  CHECK(world->prompts.size() == 1);
  CHECK(world->resumed.empty());
}

TEST_CASE_METHOD(resume_fixture, "a stream that was cut goes on at the byte where it was cut") {
  world->model_silent = true;
  auto s = start_session();
  ask_stream(s, 1);
  generate(s, "one two ");
  cancel(s, 1, true); // lost: it runs on
  generate(s, "three");
  SECTION("while it runs") {
    ask_stream(s, 2, 4);
    complete(s, "one two three");
  }
  SECTION("when it is over") {
    complete(s, "one two three");
    ask_stream(s, 2, 4);
  }
  SECTION("when it is over and its session is another") {
    complete(s, "one two three");
    ask_stream(start_session(), 2, 4);
  }
  CHECK(stream(2) == "____two three");
  CHECK(world->resumed.at(2));
  CHECK(replies().at(2).text == "one two three");
  CHECK(world->prompts.size() == 1);
  CHECK(world->stored.size() == 2);
  CHECK(world->cancelled == 0);
}

TEST_CASE_METHOD(resume_fixture, "at whichever byte a stream is cut, exactly the rest comes") {
  auto s = start_session();
  ask_stream(s, 1);
  const std::string whole = "echo: one two three";
  REQUIRE(stream(1) == whole);
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    ask_stream(s, 100 + cut, static_cast<int64_t>(cut));
    INFO("cut at " << cut);
    CHECK(world->resumed.at(100 + cut));
    CHECK(replies().at(100 + cut).text == whole);
    auto got = stream(100 + cut);
    if (cut < whole.size())
      CHECK(got == std::string(cut, '_') + whole.substr(cut));
    else
      CHECK(got.empty());
  }
  CHECK(world->prompts.size() == 1);
}

TEST_CASE_METHOD(resume_fixture, "what cannot be taken up begins anew, and says so") {
  auto s = start_session();
  SECTION("nothing is known of it") {
    ask_stream(s, 1, 7);
  }
  SECTION("the client has more than was ever said") {
    ask_stream(s, 9);
    ask_stream(s, 1, 1000);
    CHECK(world->prompts.size() == 1);
  }
  SECTION("it was interrupted when the node ended") {
    world->journal["k1"].what = turn_found::kind::interrupted;
    ask_stream(s, 1, 7);
    CHECK(replies().at(1).restarted);
  }
  SECTION("the journal cannot be read") {
    world->journal_fails = true;
    ask_stream(s, 1, 7);
    CHECK(replies().at(1).degraded == std::vector<std::string>{"journal"});
  }
  CHECK_FALSE(world->resumed.at(1));
  CHECK(stream(1) == "echo: one two three");
}

TEST_CASE_METHOD(resume_fixture, "a turn of nobody cannot be taken up") {
  auto s = start_session(true);
  auto x = request("hello", "companion", "", true);
  x.idempotency_key = "k1";
  x.resume_from = 3;
  caf::anon_send(s, flow(), atom::say_v, client(), uint64_t{1}, x);
  run();
  CHECK_FALSE(world->resumed.at(1));
  CHECK(stream(1) == "echo: hello");
}

TEST_CASE_METHOD(resume_fixture, "who joins a turn that is not streamed gets its text in one") {
  world->model_silent = true;
  auto s = start_session();
  auto x = request("one two three");
  x.idempotency_key = "k1";
  caf::anon_send(s, flow(), atom::say_v, client(), uint64_t{1}, x);
  run();
  ask_stream(s, 2);
  complete(s, "at once");
  CHECK(stream(1).empty());
  CHECK(stream(2) == "at once");
}

TEST_CASE_METHOD(resume_fixture, "a lost client cancels a turn without a key, not one with it") {
  world->model_silent = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  cancel(s, 1, true);
  CHECK(world->cancelled == 1);
  ask_stream(s, 2);
  cancel(s, 2, true);
  CHECK(world->cancelled == 1);
  complete(s, "heard by nobody", 2);
  CHECK(world->stored.size() == 2);
  ask_stream(s, 3);
  CHECK(replies().at(3).text == "heard by nobody");
}

TEST_CASE_METHOD(resume_fixture, "a reply that was removed since is not spoken again") {
  auto s = start_session();
  world->journal["k1"].what = turn_found::kind::removed;
  ask_stream(s, 1);
  REQUIRE(failures().count(1) == 1);
  CHECK(failures().at(1).code == ec::not_found);
  CHECK(world->prompts.empty());
  CHECK(world->stored.empty());
}

TEST_CASE_METHOD(resume_fixture, "a turn does not begin to speak before the journal has it") {
  world->journal_silent = true;
  auto s = start_session();
  ask_stream(s, 1);
  pass(1s);
  CHECK(world->prompts.empty());
  CHECK(stream(1).empty());
  pass(10s);
  CHECK(stream(1) == "echo: one two three");
  CHECK(replies().at(1).degraded == std::vector<std::string>{"journal"});
}

TEST_CASE("however retries, losses and streams interleave, a turn is generated and stored once") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    resume_fixture world{seed};
    splitmix chance{seed};
    auto s = world.start_session();
    for (uint64_t i = 1; i <= 6; ++i) {
      auto x = resume_fixture::request("hello", "companion", "ada", chance() % 2 == 0);
      x.idempotency_key = "k1";
      x.resume_from = static_cast<int64_t>(chance() % 8) - 1;
      caf::anon_send(s, world.flow(), atom::say_v, world.client(), i, x);
      if (chance() % 3 == 0)
        caf::anon_send<caf::message_priority::high>(s, world.flow(), atom::cancel_v, world.client(),
                                                    1 + chance() % i, true);
    }
    world.run();
    INFO("seed " << seed);
    CHECK(world.world->prompts.size() == 1);
    CHECK(world.world->stored.size() == 2);
    CHECK(world.failures().empty());
    for (auto& [ticket, reply] : world.replies())
      CHECK(reply.text == "echo: hello");
    for (auto& [ticket, text] : world.world->streams)
      CHECK(text.size() == std::string{"echo: hello"}.size());
  }
}
