#include "test/actors/shard_fixture.hpp"

#include <set>

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(shard_fixture,
                 "a memory is acknowledged when it is durable and found from then on") {
  auto pending = remember("a", "tea with milk");
  CHECK((*self)->mailbox().empty());
  CHECK(found("tea").empty());
  store.commit();
  auto receipt = result(pending);
  REQUIRE(receipt);
  CHECK(receipt->ids == std::vector<std::string>{"a"});
  CHECK(receipt->created[0]);
  CHECK(found("tea") == std::vector<std::string>{"a"});
  CHECK(store.rows[0].created == wall_micros);
  CHECK(store.rows[0].seq == 1);
}

TEST_CASE_METHOD(shard_fixture, "what is written bears the epoch that the shard serves under") {
  remember("a", "tea");
  caf::anon_send(home, flow(), atom::forget_v, owner_key{"default", "ada"});
  run();
  REQUIRE(store.writes.size() == 1); // a removal is not sent beside what it may undo
  CHECK(store.writes[0].write.epoch == 7);
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.epoch == 7);
}

TEST_CASE_METHOD(shard_fixture, "a memory without an id gets one, and they sort by time") {
  auto first = remember("", "tea");
  store.commit();
  auto a = result(first);
  pass(1s);
  auto second = remember("", "coffee");
  store.commit();
  auto b = result(second);
  REQUIRE((a && b));
  CHECK(a->ids[0] < b->ids[0]);
}

TEST_CASE_METHOD(shard_fixture,
                 "the same id again changes nothing, also while the first is on its way") {
  auto first = remember("a", "tea");
  auto again = remember("a", "something else");
  CHECK(store.writes.size() == 1);
  store.commit();
  run();
  auto one = result(first), two = result(again);
  REQUIRE((one && two));
  CHECK(one->created[0]);
  CHECK_FALSE(two->created[0]);
  auto third = result(remember("a", "tea"));
  REQUIRE(third);
  CHECK_FALSE(third->created[0]);
  CHECK(store.rows.size() == 1);
}

TEST_CASE_METHOD(shard_fixture,
                 "what could not be stored is refused, and so is what relied on it") {
  auto first = remember("a", "tea");
  auto again = remember("a", "tea");
  store.commit({ec::storage_failed, "disk full", {}});
  run();
  CHECK_FALSE(result(first));
  CHECK_FALSE(result(again));
  CHECK(found("tea").empty());
  auto retry = remember("a", "tea");
  store.commit();
  CHECK(result(retry));
}

TEST_CASE_METHOD(shard_fixture, "forget removes what is there, and keeps what comes after it") {
  auto first = remember("a", "tea");
  store.commit();
  result(first);
  auto pending =
      (*self)->request(home, caf::infinite, flow(), atom::forget_v, owner_key{"default", "ada"});
  run();
  auto again = remember("a", "tea again");
  CHECK(store.writes.size() == 1);
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1);
  store.commit();
  run();
  pending.receive([](forget_receipt& x) { CHECK(x.memories == 1); },
                  [](caf::error&) { FAIL("forget was refused"); });
  auto receipt = result(again);
  REQUIRE(receipt);
  CHECK(receipt->created[0]);
  CHECK(found("again") == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(shard_fixture, "a removed memory is gone, and only then") {
  auto first = remember("a", "tea");
  store.commit();
  result(first);
  auto nothing =
      ask<bool>(home, flow(), atom::remove_v, owner_key{"default", "ada"}, std::string{"b"});
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::remove_v,
                                  owner_key{"default", "ada"}, std::string{"a"});
  run();
  CHECK(found("tea").size() == 1);
  store.commit();
  run();
  pending.receive([](bool done) { CHECK(done); }, [](caf::error&) { FAIL("remove was refused"); });
  CHECK(found("tea").empty());
}

TEST_CASE_METHOD(shard_fixture, "an owner is loaded once, with what the store has") {
  memory x;
  x.id = "old";
  x.text = "tea";
  x.seq = 7;
  store.rows = {x};
  CHECK(found("tea") == std::vector<std::string>{"old"});
  CHECK(found("tea") == std::vector<std::string>{"old"});
  CHECK(store.loads == 1);
  auto next = remember("new", "coffee");
  CHECK(store.writes.front().write.memories[0].seq == 8);
  store.commit();
  CHECK(result(next));
}

TEST_CASE_METHOD(shard_fixture, "an owner that cannot be read is refused and tried again") {
  store.reader_fails = true;
  memory_query q;
  q.owner = {"default", "ada"};
  auto refused = ask<std::vector<recalled>>(home, flow(), atom::recall_v, q);
  REQUIRE_FALSE(refused);
  CHECK(to_failure(refused.error()).code == ec::storage_failed);
  store.reader_fails = false;
  CHECK(found("tea").empty());
  CHECK(store.loads == 2);
}

TEST_CASE_METHOD(shard_fixture, "a reader that is silent fails the request at its time-out") {
  store.reader_silent = true;
  memory_query q;
  q.owner = {"default", "ada"};
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::recall_v, q);
  pass(5s);
  CHECK((*self)->mailbox().empty());
  for (int i = 0; i < 8; ++i)
    pass(1s);
  failure why;
  pending.receive([](std::vector<recalled>&) {}, [&](caf::error& e) { why = to_failure(e); });
  CHECK(why.code == ec::timeout);
}

TEST_CASE_METHOD(shard_fixture,
                 "an owner whose write may be stored or not is loaded anew before it is used") {
  auto first = remember("a", "tea with milk");
  auto second = remember("b", "black coffee");
  auto stored = store.writes[0].write.memories;
  store.commit({ec::timeout, "lost on purpose", {}});
  CHECK(to_failure(result(first).error()).code == ec::timeout);
  // Another write is under way: what it adds is not known either.
  auto third = remember("a", "tea with milk");
  CHECK(to_failure(result(third).error()).code == ec::unavailable);
  store.rows.insert(store.rows.end(), stored.begin(), stored.end()); // it was stored after all
  store.commit({ec::unavailable, "gone on purpose", {}});
  CHECK(to_failure(result(second).error()).code == ec::unavailable);

  auto loads = store.loads;
  auto again = result(remember("a", "tea with milk"));
  REQUIRE(again);
  CHECK_FALSE(again->created[0]);
  CHECK(store.loads == loads + 1);
  CHECK(found("tea") == std::vector<std::string>{"a"});
  // What was let go is not counted any more.
  caf::anon_send_exit(home, caf::exit_reason::kill);
  run();
  CHECK(account->owner_bytes == 0);
}

TEST_CASE("cold owners are evicted and loaded again") {
  shard_options options;
  options.max_bytes = 20'000;
  shard_fixture x{options};
  for (int i = 0; i < 40; ++i) {
    auto pending = x.remember("a", std::string(500, 'x'), "user" + std::to_string(i));
    x.store.commit();
    x.run();
    REQUIRE(x.result(pending));
    x.store.rows.clear();
    x.scheduler().advance_time(1ms);
  }
  auto loads = x.store.loads;
  x.found("x", "user39");
  CHECK(x.store.loads == loads);
  x.found("x", "user0");
  CHECK(x.store.loads == loads + 1);
}

TEST_CASE_METHOD(shard_fixture, "what is late once its owner is loaded is not done") {
  store.reader_silent = true;
  owner_key ada{"default", "ada"};
  auto soon = flow(priority::normal, 2s);
  memory_write write;
  write.owner = ada;
  write.memories.resize(1);
  memory_query query;
  query.owner = ada;
  auto remembering = (*self)->request(home, caf::infinite, soon, atom::remember_v, write);
  auto recalling = (*self)->request(home, caf::infinite, soon, atom::recall_v, query);
  auto listing =
      (*self)->request(home, caf::infinite, soon, atom::list_v, memory_page_query{ada, {}, 10});
  auto removing =
      (*self)->request(home, caf::infinite, soon, atom::remove_v, ada, std::string{"a"});
  auto forgetting = (*self)->request(home, caf::infinite, soon, atom::forget_v, ada);
  auto patient = (*self)->request(home, caf::infinite, flow(), atom::recall_v, query);
  run();
  pass(3s);
  memory_write found;
  found.owner = ada;
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::loaded_v, found, failure{});
  run();
  CHECK(store.writes.empty());
  auto is_late = [](const caf::error& x) { CHECK(to_failure(x).code == ec::timeout); };
  remembering.receive([](const memory_receipt&) { FAIL("done"); }, is_late);
  recalling.receive([](const std::vector<recalled>&) { FAIL("done"); }, is_late);
  listing.receive([](const memory_page&) { FAIL("done"); }, is_late);
  removing.receive([](bool) { FAIL("done"); }, is_late);
  forgetting.receive([](const forget_receipt&) { FAIL("done"); }, is_late);
  patient.receive([](const std::vector<recalled>&) {}, [](caf::error&) { FAIL("refused"); });
}

TEST_CASE_METHOD(shard_fixture, "what a client that is gone has left waiting is not done") {
  store.reader_silent = true;
  memory_write write;
  write.owner = {"default", "ada"};
  write.memories.resize(1);
  {
    caf::scoped_actor client{*system};
    client->request(home, caf::infinite, flow(), atom::remember_v, write);
    run();
  }
  run();
  memory_write found;
  found.owner = write.owner;
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::loaded_v, found, failure{});
  run();
  CHECK(store.writes.empty());
}

TEST_CASE_METHOD(shard_fixture, "owners leave where the node holds too much") {
  account = std::make_shared<memory_account>(memory_account::no_limit, 1 << 20, 0);
  auto pressed = spawn(shard, shard_options{}, spawn(writer, &store), spawn(reader, &store),
                       shard_embedder{}, account, uint64_t{1});
  for (int i = 0; i < 1000; ++i) {
    memory_query q;
    q.owner = {"default", std::to_string(i)};
    q.text = "tea";
    CHECK(ask<std::vector<recalled>>(pressed, flow(), atom::recall_v, q));
    CHECK(account->bytes() <= 1 << 20);
  }
  CHECK(account->owners_evicted > 0);
  account->session_bytes += 1 << 20;
  for (int i = 0; i < 20; ++i)
    pass(1s);
  CHECK(account->owner_bytes < 16 << 10);
  caf::anon_send_exit(pressed, caf::exit_reason::kill);
  run();
  CHECK(account->owner_bytes == 0);
}
