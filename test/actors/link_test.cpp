#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

link_options small_window() {
  link_options x;
  x.window = 4;
  x.max_waiting = 6;
  return x;
}

size_t count(const wire& w, frame_kind kind) {
  return static_cast<size_t>(
      std::count_if(w.seen.begin(), w.seen.end(), [&](auto& x) { return x.kind == kind; }));
}

} // namespace

TEST_CASE("a turn crosses to the node that owns its conversation", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.ask_turn(7, "hello", "", true);
  f.run();
  f.pass(10ms);
  REQUIRE(f.replies().contains(7));
  CHECK(f.replies().at(7).text == "b: hello");
  CHECK(f.replies().at(7).analyses.at("colour") == std::vector<std::string>{"red", "blue"});
  CHECK(f.world->streams[7] == "b: hello");
  CHECK(f.a.world->said.empty());
}

TEST_CASE("pieces of a reply cross in groups, the first at once", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.ask_turn(7, std::string(320, 'x'), "", true);
  f.run();
  f.pass(10ms);
  CHECK(f.world->streams[7] == "b: " + std::string(320, 'x'));
  auto pieces = count(*f.connection, frame_kind::piece);
  CHECK(pieces >= 2);
  CHECK(pieces <= 323 / 32 + 2);
}

TEST_CASE("a stream that is taken up again says so across nodes", "[link]") {
  link_fixture f;
  f.b_owns_all();
  auto x = f.request("again", "companion", "ada", true);
  x.resume_from = 0;
  x.idempotency_key = "k";
  caf::anon_send(f.a.route, f.flow(), atom::say_v, f.client(), uint64_t{3}, x);
  f.run();
  f.pass(10ms);
  CHECK(f.world->resumed.at(3));
  CHECK(f.world->streams[3] == "b: again");
}

TEST_CASE("every request of a partition crosses, and so do its answer and its failure", "[link]") {
  link_fixture f;
  f.b_owns_all();
  auto found = f.ask<std::vector<recalled>>(f.a.route, f.flow(), atom::recall_v, query("q"));
  REQUIRE(found);
  CHECK(found->at(0).what.text == "b: q");
  auto receipt = f.ask<memory_receipt>(f.a.route, f.flow(), atom::remember_v, write_of({"x", "y"}));
  REQUIRE(receipt);
  CHECK(receipt->ids == std::vector<std::string>{"a", "b"});
  CHECK(receipt->created == std::vector<bool>{true, false});
  CHECK(receipt->seqs == std::vector<uint64_t>{7, 0});
  REQUIRE(f.b.world->written.size() == 1);
  auto& written = f.b.world->written[0];
  CHECK(written.memories.at(1).text == "text of y");
  CHECK(written.memories.at(1).own);
  CHECK(written.memories.at(1).seq == 5);
  CHECK(written.vectors.at(0) == std::vector<float>{1, 2});
  CHECK(written.turns.size() == 1);
  CHECK(written.summaries.size() == 1);
  CHECK(written.authors == std::vector<std::string>{"ada", "bob"});
  owner_key ada{"default", "ada"};
  auto page = f.ask<memory_page>(f.a.route, f.flow(), atom::list_v, memory_page_query{ada, "m", 5});
  REQUIRE(page);
  CHECK(page->next == "m+");
  auto removed = f.ask<bool>(f.a.route, f.flow(), atom::remove_v, ada, std::string{"there"});
  REQUIRE(removed);
  CHECK(*removed);
  auto gone = f.ask<forget_receipt>(f.a.route, f.flow(), atom::forget_v, ada);
  REQUIRE(gone);
  CHECK(gone->memories == 3);
  CHECK(gone->owner == ada);
  auto spoken = f.ask<spoken_receipt>(f.a.route, f.flow(), atom::forget_v, spoken_by{ada, 1});
  REQUIRE(spoken);
  CHECK(spoken->memories == 11);
  CHECK(spoken->groups == std::vector<owner_key>{{"default", "channel:den"}});
  CHECK_FALSE(f.ask<spoken_receipt>(f.a.route, f.flow(), atom::forget_v, spoken_by{ada, 999}));
  f.b.world->fails = {ec::storage_failed, "the disk is full", "text", 4};
  auto failed = f.ask<std::vector<recalled>>(f.a.route, f.flow(), atom::recall_v, query("q"));
  REQUIRE(!failed);
  auto why = to_failure(failed.error());
  CHECK(why.code == ec::storage_failed);
  CHECK(why.message == "the disk is full");
  CHECK(why.param == "text");
  CHECK(why.retry_after == 4);
}

TEST_CASE("a deadline crosses as the time that is left", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "soon", "", false, priority::high, 10s);
  f.run();
  REQUIRE(f.b.world->open.size() == 1);
  auto& ctx = f.b.world->open[0].ctx;
  auto now = f.scheduler().clock().now().time_since_epoch().count();
  CHECK(ctx.deadline > now);
  CHECK(ctx.deadline <= now + (10s).count() * 1'000'000'000);
  CHECK(ctx.level == priority::high);
  CHECK(ctx.trace_lo != 0);
  CHECK(f.b.world->open[0].request.level == priority::high);
  CHECK(f.b.world->open[0].request.level_given);
}

TEST_CASE("what waits for the window past its deadline is not sent", "[link]") {
  link_fixture f{1, small_window()};
  f.b_owns_all();
  f.connection->stopped = true;
  for (uint64_t i = 0; i < 6; ++i)
    f.ask_turn(i, "t", "", false, priority::normal, 2s);
  f.run();
  f.pass(3s + 200ms);
  f.connection->go_on();
  f.run();
  CHECK(f.b.world->said.size() <= 4);
  for (uint64_t i = 4; i < 6; ++i) {
    REQUIRE(f.failures().contains(i));
    CHECK(f.failures().at(i).code == ec::timeout);
  }
}

TEST_CASE("a slow peer is felt: the window closes, and what is too much is refused", "[link]") {
  link_fixture f{1, small_window()};
  f.b_owns_all();
  f.connection->stopped = true;
  f.connection->frames = 0;
  for (uint64_t i = 0; i < 10; ++i) {
    f.ask_turn(i, "low " + std::to_string(i), "", false, priority::low);
    f.run();
  }
  CHECK(f.connection->frames == 4);
  CHECK(f.failures().empty());
  f.ask_turn(10, "too low", "", false, priority::low);
  f.run();
  REQUIRE(f.failures().contains(10));
  CHECK(f.failures().at(10).code == ec::overloaded);
  f.ask_turn(11, "high", "", false, priority::high);
  f.run();
  REQUIRE(f.failures().contains(9)); // the newest of the lowest
  CHECK(!f.failures().contains(11));
  f.connection->go_on();
  f.run();
  CHECK(f.replies().size() == 10);
  REQUIRE(f.b.world->said.size() == 10);
  CHECK(f.b.world->said[4] == "high");
  for (size_t i = 0; i < 4; ++i)
    CHECK(f.b.world->said[i] == "low " + std::to_string(i));
  for (size_t i = 5; i < 10; ++i)
    CHECK(f.b.world->said[i] == "low " + std::to_string(i - 1));
}

TEST_CASE("answers keep to the window of the asker", "[link]") {
  link_fixture f{1, small_window()};
  f.b_owns_all();
  f.b.world->answers = false;
  for (uint64_t i = 0; i < 4; ++i)
    f.ask_turn(i, "t");
  f.run();
  REQUIRE(f.b.world->open.size() == 4);
  f.connection->stopped = true;
  f.connection->frames = 0;
  // Many pieces of each: gathered while nothing can be sent.
  for (size_t i = 0; i < 4; ++i)
    for (uint64_t n = 0; n < 500; ++n)
      caf::anon_send(f.b.world->open[i].client, f.b.world->open[i].ctx, atom::token_v,
                     f.b.world->open[i].ticket, stream_piece{n, "y"});
  f.run();
  f.pass(50ms);
  CHECK(f.connection->frames <= 4);
  f.connection->go_on();
  f.run();
  f.pass(50ms);
  for (uint64_t i = 0; i < 4; ++i)
    if (!f.failures().contains(i))
      CHECK(f.world->streams[i] == std::string(500, 'y'));
}

TEST_CASE("a turn is cancelled across nodes, also before it was sent", "[link]") {
  link_fixture f{1, small_window()};
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "runs");
  f.run();
  REQUIRE(f.b.world->open.size() == 1);
  auto cancel = [&](uint64_t ticket) {
    caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::cancel_v, f.client(),
                                                ticket, owner_key{"default", "ada"},
                                                std::string{"talk"}, false);
    f.run();
  };
  cancel(1);
  REQUIRE(f.b.world->cancelled.size() == 1);
  CHECK(f.b.world->cancelled[0].first == f.b.world->open[0].ticket);
  CHECK(!f.b.world->cancelled[0].second);
  f.connection->stopped = true;
  for (uint64_t i = 2; i < 9; ++i)
    f.ask_turn(i, "waits " + std::to_string(i));
  f.run();
  cancel(8);
  f.connection->go_on();
  f.run();
  auto& said = f.b.world->said;
  CHECK(std::find(said.begin(), said.end(), "waits 7") != said.end());
  CHECK(std::find(said.begin(), said.end(), "waits 8") == said.end());
}

TEST_CASE("a turn that has ended may still be cancelled", "[link]") {
  link_fixture f;
  f.b_owns_all();
  for (uint64_t i = 1; i < 4; ++i)
    f.ask_turn(i, "quick");
  f.run();
  REQUIRE(f.replies().size() == 3);
  caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::cancel_v, f.client(),
                                              uint64_t{2}, owner_key{"default", "ada"},
                                              std::string{"talk"}, false);
  f.run();
  f.ask_turn(4, "and on");
  f.run();
  CHECK(f.replies().contains(4));
  CHECK(f.dials == 1);
}

TEST_CASE("listeners hear events of another node, each those it asked for", "[link]") {
  link_fixture f;
  f.b_owns_all();
  std::vector<session_event> first, second;
  auto listen = [&](std::vector<session_event>* to) {
    return f.spawn([to](event_client_actor::pointer) -> event_client_actor::behavior_type {
      return {[to](const context&, atom::event, const session_event& x) { to->push_back(x); }};
    });
  };
  auto one = listen(&first), two = listen(&second);
  owner_key ada{"default", "ada"};
  auto subscribe = [&](const event_client_actor& who, uint8_t kinds, caf::timespan lease) {
    caf::anon_send(f.a.route, context{}, atom::subscribe_v, who, ada, std::string{"talk"},
                   subscription{kinds, lease.count(), "companion"});
    f.run();
  };
  subscribe(one, event_bit(session_event::kind::typing), 30s);
  subscribe(two, event_bit(session_event::kind::message), 60s);
  REQUIRE(f.b.world->subscriptions.size() == 2);
  CHECK(f.b.world->subscriptions.back().kinds
        == (event_bit(session_event::kind::typing) | event_bit(session_event::kind::message)));
  CHECK(f.b.world->subscriptions.back().lease == caf::timespan{60s}.count());
  auto tell = [&](session_event::kind what) {
    session_event x;
    x.what = what;
    x.owner = ada;
    x.conversation = "talk";
    x.text = "hm";
    caf::anon_send(f.b.world->listeners.back(), f.flow(), atom::event_v, x);
    f.run();
  };
  tell(session_event::kind::typing);
  tell(session_event::kind::message);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(second[0].text == "hm");
  subscribe(two, 0, 0s);
  CHECK(f.b.world->subscriptions.back().kinds == event_bit(session_event::kind::typing));
  tell(session_event::kind::message);
  CHECK(second.size() == 1);
}

TEST_CASE("a call whose time is over is cancelled at the other node", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "for long", "", false, priority::normal, 1s);
  f.run();
  REQUIRE(f.b.world->open.size() == 1);
  f.pass(1s);
  f.pass(1s);
  f.pass(1s);
  REQUIRE(f.failures().count(1) == 1);
  CHECK(f.failures().at(1).code == ec::timeout);
  REQUIRE(f.b.world->cancelled.size() == 1);
  CHECK(f.b.world->cancelled[0].first == f.b.world->open[0].ticket);
}

TEST_CASE("what a node does for one that never asks again ends with its time", "[link]") {
  link_options with;
  with.call_timeout = 5s;
  link_fixture f{1, with};
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "for long", "", false, priority::normal, 1s);
  f.run();
  REQUIRE(f.b.world->open.size() == 1);
  f.connection->stopped = true; // no word of it comes
  for (int i = 0; i < 10; ++i)
    f.pass(1s);
  CHECK(f.b.world->cancelled.size() == 1);
}
