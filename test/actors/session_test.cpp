#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

TEST_CASE_METHOD(test::turn_fixture,
                 "a turn is felt, recalled, answered and stored before it is complete") {
  auto s = start_session();
  say(s, 1, "I love Lisbon");
  run();
  REQUIRE(replies().count(1) == 1);
  auto& reply = replies().at(1);
  CHECK(reply.text == "echo: I love Lisbon");
  CHECK(reply.memory_stored);
  CHECK(reply.degraded.empty());
  CHECK(reply.emotion.primary == "joy");
  CHECK(reply.topics == std::vector<std::string>{"travel"});
  REQUIRE(reply.memories.size() == 1);
  REQUIRE(world->stored.size() == 2);
  CHECK(world->stored[0].text == "I love Lisbon");
  CHECK_FALSE(world->stored[0].own);
  CHECK(world->stored[1].text == "echo: I love Lisbon");
  CHECK(world->stored[1].own);
}

TEST_CASE_METHOD(test::turn_fixture,
                 "turns of one conversation run one after another in order of arrival") {
  auto s = start_session();
  for (uint64_t i = 1; i <= 4; ++i)
    say(s, i, "turn " + std::to_string(i));
  run();
  CHECK(done() == std::vector<uint64_t>{1, 2, 3, 4});
  CHECK(world->most_at_once == 1);
}

TEST_CASE_METHOD(test::turn_fixture, "a helper that fails is named and the turn still answers") {
  world->emotion_fails = true;
  world->recall_fails = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  REQUIRE(replies().count(1) == 1);
  auto degraded = replies().at(1).degraded;
  std::sort(degraded.begin(), degraded.end());
  CHECK(degraded == std::vector<std::string>{"emotion", "recall"});
  CHECK(replies().at(1).memory_stored);
}

TEST_CASE_METHOD(test::turn_fixture, "a helper that is silent is left out at its deadline") {
  world->emotion_silent = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  CHECK(replies().empty());
  pass(300ms);
  REQUIRE(replies().count(1) == 1);
  CHECK(replies().at(1).degraded == std::vector<std::string>{"emotion"});
}

TEST_CASE_METHOD(test::turn_fixture, "every analyser is asked, and only what they find is told") {
  auto s = start_session();
  say(s, 1, "a red kite");
  say(s, 2, "a kite");
  run();
  CHECK(replies().at(1).analyses.at("colour") == std::vector<std::string>{"red"});
  CHECK(replies().at(2).analyses.empty());
  CHECK(replies().at(2).topics == std::vector<std::string>{"travel"});
}

TEST_CASE_METHOD(test::turn_fixture, "an analyser that fails or is silent is named by itself") {
  auto s = start_session();
  SECTION("fails") {
    world->colour_fails = true;
  }
  SECTION("is silent") {
    world->colour_silent = true;
  }
  say(s, 1, "a red kite");
  run();
  pass(300ms);
  REQUIRE(replies().count(1) == 1);
  CHECK(replies().at(1).degraded == std::vector<std::string>{"colour"});
  CHECK(replies().at(1).topics == std::vector<std::string>{"travel"});
  CHECK(replies().at(1).analyses.empty());
}

TEST_CASE_METHOD(test::turn_fixture, "a turn that cannot be stored says so") {
  world->store_fails = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  REQUIRE(replies().count(1) == 1);
  CHECK_FALSE(replies().at(1).memory_stored);
  CHECK(replies().at(1).degraded == std::vector<std::string>{"memory"});
}

TEST_CASE_METHOD(test::turn_fixture, "a model that fails fails the turn, and the next one runs") {
  world->model_fails = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  REQUIRE(failures().count(1) == 1);
  CHECK(failures().at(1).code == ec::upstream_failed);
  CHECK(world->stored.empty());
  world->model_fails = false;
  say(s, 2, "hello again");
  run();
  CHECK(replies().count(2) == 1);
}

TEST_CASE_METHOD(test::turn_fixture, "a model that never answers fails the turn at its deadline") {
  world->model_silent = true;
  auto s = start_session();
  say(s, 1, "hello", "remote");
  run();
  pass(70s);
  REQUIRE(failures().count(1) == 1);
  CHECK(failures().at(1).code == ec::timeout);
}

TEST_CASE_METHOD(test::turn_fixture, "more turns than may wait are refused as overload") {
  world->model_silent = true;
  auto s = start_session();
  for (uint64_t i = 1; i <= 6; ++i)
    say(s, i, "hello");
  run();
  CHECK(failures().size() == 2); // one runs, three wait
  for (auto& [ticket, why] : failures())
    CHECK(why.code == ec::overloaded);
}

TEST_CASE_METHOD(test::turn_fixture,
                 "a cancelled turn is not answered, not stored, and the model is told") {
  world->model_silent = true;
  auto s = start_session();
  say(s, 1, "first");
  say(s, 2, "second");
  run();
  world->model_silent = false;
  caf::anon_send<caf::message_priority::high>(s, flow(), atom::cancel_v, client(), uint64_t{1},
                                              false);
  run();
  CHECK(world->cancelled == 1);
  CHECK(done() == std::vector<uint64_t>{2});
  CHECK(failures().empty());
  CHECK(world->stored.size() == 2);
}

TEST_CASE_METHOD(test::turn_fixture, "a cancel that overtakes its turn in the mailbox ends it") {
  auto s = start_session();
  auto cancel = [&](uint64_t ticket, bool lost) {
    caf::anon_send<caf::message_priority::high>(s, flow(), atom::cancel_v, client(), ticket, lost);
  };
  say(s, 1, "first");
  say(s, 2, "second");
  cancel(1, false);
  cancel(3, false);
  auto kept = request("kept");
  kept.idempotency_key = "k";
  caf::anon_send(s, flow(), atom::say_v, client(), uint64_t{4}, kept);
  cancel(4, true); // it may be asked for again
  run();
  CHECK(world->prompts.size() == 2);
  CHECK(done() == std::vector<uint64_t>{2, 4});
  CHECK(failures().empty());
}

TEST_CASE_METHOD(test::turn_fixture, "a session that is stopped ends its generation") {
  world->model_silent = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  caf::anon_send_exit(s, caf::exit_reason::user_shutdown);
  run();
  CHECK(failures().size() == 1);
  CHECK(world->cancelled == 1);
}

TEST_CASE_METHOD(test::turn_fixture, "a turn of nobody reads and writes no memory") {
  auto s = start_session(true);
  say(s, 1, "hello", "companion", "");
  run();
  REQUIRE(replies().count(1) == 1);
  CHECK(replies().at(1).memories.empty());
  CHECK_FALSE(replies().at(1).memory_stored);
  CHECK(world->stored.empty());
  CHECK(world->recalls == 0);
}

TEST_CASE_METHOD(test::turn_fixture,
                 "the model sees the lines that were said before, also those stored long ago") {
  world->recent = {line("ada", "my cat is called Tux", false), line("companion", "Lovely!", true)};
  auto s = start_session();
  say(s, 1, "hello");
  run();
  auto prompt = world->prompts.at(0).messages;
  REQUIRE(prompt.size() == 4);
  CHECK(prompt[1].content == "my cat is called Tux");
  CHECK(prompt[2].role == "assistant");
  say(s, 2, "again");
  run();
  CHECK(world->prompts.at(1).messages.size() == 6);
  CHECK(world->recents == 1);
}

TEST_CASE_METHOD(test::turn_fixture, "a stream's tokens reach the client in order") {
  auto s = start_session();
  say(s, 1, "one two three", "companion", "ada", true);
  run();
  CHECK(tokens() == "echo: one two three");
}

TEST_CASE_METHOD(test::turn_fixture, "a session ends when idle and not while it works") {
  world->model_silent = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  auto first = ask<bool>(s, context{}, atom::passivate_v);
  REQUIRE(first);
  CHECK_FALSE(*first);
  caf::anon_send<caf::message_priority::high>(s, flow(), atom::cancel_v, client(), uint64_t{1},
                                              false);
  run();
  auto second = ask<bool>(s, context{}, atom::passivate_v);
  REQUIRE(second);
  CHECK(*second);
}

TEST_CASE("order, single service and an answer for every turn hold under any interleaving") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    test::turn_fixture world{seed};
    auto s = world.start_session();
    for (uint64_t i = 1; i <= 4; ++i)
      world.say(s, i, "turn");
    world.run();
    INFO("seed " << seed);
    CHECK(world.done() == std::vector<uint64_t>{1, 2, 3, 4});
    CHECK(world.world->most_at_once == 1);
  }
}

TEST_CASE_METHOD(test::turn_fixture,
                 "a turn whose conversation has moved meanwhile is refused, not acknowledged") {
  world->store_moved = true;
  auto s = start_session();
  say(s, 1, "hello");
  run();
  CHECK(replies().empty());
  REQUIRE(failures().count(1) == 1);
  CHECK(has_moved(failures().at(1)));
}

TEST_CASE_METHOD(test::turn_fixture,
                 "both lines of a turn in a group belong to the user who spoke") {
  auto s = start_session();
  auto x = request("hello", "companion", "channel:den");
  x.speaker = "The Countess";
  x.author = "ada";
  caf::anon_send(s, flow(), atom::say_v, client(), uint64_t{1}, x);
  run();
  x.author.clear(); // a frontend that names the channel as the user
  x.speaker = "bob";
  caf::anon_send(s, flow(), atom::say_v, client(), uint64_t{2}, x);
  run();
  CHECK(world->authors == std::vector<std::string>{"ada", "ada", "bob", "bob"});
}

TEST_CASE_METHOD(test::turn_fixture, "helpers are told until when the turn waits for them") {
  auto s = start_session();
  auto begun = scheduler().clock().now().time_since_epoch().count();
  say(s, 1, "hello");
  run();
  auto& due = world->deadlines;
  CHECK(due.at("recall") == begun + parts->options.recall_timeout.count());
  CHECK(due.at("recent") == begun + parts->options.recall_timeout.count());
  CHECK(due.at("emotion") == begun + parts->options.emotion_timeout.count());
}
