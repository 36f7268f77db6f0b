// Turns that bear a key: who asks again, who gives up, and what they get.
#include "test/actors/turn_fixture.hpp"

using namespace sotto;

TEST_CASE_METHOD(test::turn_fixture,
                 "a retry with the same key gets the same turn, running or done") {
  world->model_silent = true;
  auto s = start_session();
  auto again = [&](uint64_t ticket) {
    auto x = request("hello");
    x.idempotency_key = "k1";
    caf::anon_send(s, flow(), atom::say_v, client(), ticket, x);
    run();
  };
  again(1);
  again(2); // attaches
  CHECK(world->prompts.size() == 1);
  world->model_silent = false;
  completion done;
  done.text = "once";
  caf::anon_send(s, flow(), atom::completed_v, uint64_t{1}, done);
  run();
  again(3); // is answered from what was kept
  CHECK(world->prompts.size() == 1);
  CHECK(world->stored.size() == 2);
  for (uint64_t ticket : {1, 2, 3})
    CHECK(replies().at(ticket).text == "once");
}

TEST_CASE_METHOD(test::turn_fixture, "a key that comes again with another text is refused") {
  world->model_silent = true;
  auto s = start_session();
  auto say_with_key = [&](uint64_t ticket, const char* text) {
    auto x = request(text);
    x.idempotency_key = "k1";
    caf::anon_send(s, flow(), atom::say_v, client(), ticket, x);
    run();
  };
  say_with_key(1, "hello");
  say_with_key(2, "goodbye"); // while the first runs
  REQUIRE(world->failures.count(2) == 1);
  CHECK(world->failures.at(2).code == ec::invalid);
  CHECK(world->failures.at(2).param == "idempotency_key");
  world->model_silent = false;
  completion done;
  done.text = "once";
  caf::anon_send(s, flow(), atom::completed_v, uint64_t{1}, done);
  run();
  say_with_key(3, "goodbye"); // when it is done
  CHECK(world->failures.at(3).code == ec::invalid);
  say_with_key(4, "hello");
  CHECK(replies().at(1).text == "once");
  CHECK(replies().at(4).text == "once");
}

namespace {

/// Turns that bear a key.
class retry_fixture : public test::turn_fixture {
public:
  void say_by_key(const session_actor& to, uint64_t ticket, const std::string& key = "k1",
                  priority level = priority::normal) {
    auto x = request("hello");
    x.idempotency_key = key;
    auto ctx = flow();
    ctx.level = level;
    caf::anon_send(to, ctx, atom::say_v, client(), ticket, x);
    run();
  }

  void cancel(const session_actor& at, uint64_t ticket, bool lost = false) {
    caf::anon_send<caf::message_priority::high>(at, flow(), atom::cancel_v, client(), ticket, lost);
    run();
  }

  /// The model's answer to the turn `number`.
  void complete(const session_actor& at, uint64_t number) {
    completion x;
    x.text = "once";
    caf::anon_send(at, flow(), atom::completed_v, number, x);
    run();
  }
};

} // namespace

TEST_CASE_METHOD(retry_fixture, "a turn given up while it is stored is not run again by a retry") {
  world->store_silent = true;
  auto s = start_session();
  say_by_key(s, 1);
  REQUIRE(world->held.size() == 1);
  cancel(s, 1);
  say_by_key(s, 2);
  world->store_silent = false;
  caf::anon_send(shard, context{}, atom::tick_v);
  run();
  CHECK(done() == std::vector<uint64_t>{2});
  CHECK(world->prompts.size() == 1);
  CHECK(world->stored.size() == 2);
}

TEST_CASE_METHOD(retry_fixture, "a turn goes on while one of those who asked still waits") {
  world->model_silent = true;
  auto s = start_session();
  say_by_key(s, 1);
  say_by_key(s, 2);
  cancel(s, 1);
  say_by_key(s, 3);
  CHECK(world->cancelled == 0);
  complete(s, 1);
  CHECK(done() == std::vector<uint64_t>{2, 3});
  CHECK(world->prompts.size() == 1);
}

TEST_CASE_METHOD(retry_fixture, "a turn that all who asked have given up is cancelled") {
  world->model_silent = true;
  auto s = start_session();
  say_by_key(s, 1);
  say_by_key(s, 2);
  cancel(s, 2);
  CHECK(world->cancelled == 0);
  cancel(s, 1);
  CHECK(world->cancelled == 1);
  CHECK(done().empty());
  CHECK(failures().empty());
}

TEST_CASE_METHOD(retry_fixture, "a waiting turn that its first asker gives up runs for a retry") {
  world->model_silent = true;
  auto s = start_session();
  say_by_key(s, 1, "first");
  say_by_key(s, 2);
  say_by_key(s, 3);
  cancel(s, 2);
  complete(s, 1);
  complete(s, 2);
  CHECK(done() == std::vector<uint64_t>{1, 3});
}

TEST_CASE_METHOD(
    retry_fixture,
    "the newest turn is refused whatever its level, and whoever retried is told when the "
    "session ends") {
  world->model_silent = true;
  auto s = start_session();
  say_by_key(s, 1);
  say_by_key(s, 2);
  say_by_key(s, 3, "low", priority::low);
  say_by_key(s, 4, "low", priority::low);
  for (uint64_t i = 5; i <= 7; ++i) // one more than may wait
    say_by_key(s, i, std::to_string(i), priority::high);
  REQUIRE(failures().size() == 1);
  CHECK(failures().at(7).code == ec::overloaded);
  caf::anon_send_exit(s, caf::exit_reason::user_shutdown);
  run();
  CHECK(failures().size() == 7);
  CHECK(failures().count(2) == 1);
}
