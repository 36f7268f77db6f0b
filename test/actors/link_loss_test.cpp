// What becomes of calls whose peer is lost.
#include "test/actors/odd_peer.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("when the peer is lost, what runs there is answered, and may be told so", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "without a key");
  f.ask_turn(2, "with a key", "k");
  f.run();
  REQUIRE(f.b.world->open.size() == 2);
  f.connection->refuses = true;
  f.connection->cut();
  f.run();
  REQUIRE(f.failures().contains(1));
  CHECK(f.failures().at(1).code == ec::unavailable);
  CHECK(!f.failures().contains(2));
  REQUIRE(f.b.world->cancelled.size() == 2);
  CHECK(f.b.world->cancelled[0].second);
  CHECK(f.b.world->cancelled[1].second);
  // The peer comes back: the turn with a key is asked for again, and attaches there.
  f.connection->refuses = false;
  f.b.world->answers = true;
  f.pass(1s);
  CHECK(f.b.world->said.back() == "with a key");
  CHECK(f.replies().contains(2));
}

TEST_CASE("a peer that stays away is given up in time", "[link]") {
  link_fixture f;
  f.connection->refuses = true;
  f.b_owns_all();
  f.ask_turn(1, "anybody?");
  f.run();
  CHECK(f.failures().empty());
  for (int i = 0; i < 110; ++i)
    f.pass(100ms);
  REQUIRE(f.failures().contains(1));
  CHECK(f.failures().at(1).code == ec::unavailable);
  CHECK(f.dials >= 5);
  CHECK(f.dials <= 12); // less and less often
}

TEST_CASE("reads and writes by id are made again after a loss, removals are not", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->answers = false;
  auto& self = *f.self;
  auto recall = self->request(f.a.route, caf::infinite, f.flow(), atom::recall_v, query("q"));
  auto write = self->request(f.a.route, caf::infinite, f.flow(), atom::remember_v, write_of({"x"}));
  auto nameless =
      self->request(f.a.route, caf::infinite, f.flow(), atom::remember_v, write_of({""}));
  f.run();
  f.connection->cut();
  f.b.world->answers = true;
  f.pass(1s);
  int answered = 0;
  recall.receive([&](const std::vector<recalled>&) { ++answered; }, [](const caf::error&) {});
  write.receive([&](const memory_receipt&) { ++answered; }, [](const caf::error&) {});
  failure why;
  nameless.receive([](const memory_receipt&) {},
                   [&](const caf::error& err) { why = to_failure(err); });
  CHECK(answered == 2);
  CHECK(why.code == ec::unavailable);
  CHECK(f.b.world->recalls == 2);
}

namespace {

void tell(link_fixture& f, const home_world::turn& to, const std::string& text) {
  caf::anon_send(to.client, f.flow(), atom::token_v, to.ticket, stream_piece{0, text});
  f.pass(10ms);
}

void complete(link_fixture& f, const home_world::turn& to, const std::string& text) {
  turn_reply reply;
  reply.text = text;
  caf::anon_send(to.client, f.flow(), atom::completed_v, to.ticket, reply);
  f.pass(10ms);
}

} // namespace

TEST_CASE("what comes late for a run of a peer is not taken for what its next one asked",
          "[link]") {
  link_fixture f{GENERATE(1, 2, 3)};
  f.own_all(f.b);
  f.b.world->answers = false;
  odd_peer first{f, 1};
  first.ask_turn(1, "of somebody", "k"); // waits, and goes on when its asker is lost
  REQUIRE(f.b.world->open.size() == 1);
  // Started again, it counts from the beginning.
  odd_peer second{f, 2};
  second.ask_turn(1, "of somebody else");
  REQUIRE(f.b.world->open.size() == 2);
  tell(f, f.b.world->open[0], "for somebody");
  complete(f, f.b.world->open[0], "for somebody");
  CHECK(second.frames.empty());
  tell(f, f.b.world->open[1], "for somebody else");
  complete(f, f.b.world->open[1], "for somebody else");
  REQUIRE(second.frames.size() == 2);
  auto last = message_from_bytes(*f.system, second.frames[1].bytes);
  REQUIRE(last);
  REQUIRE(last->match_elements<caf::atom_value, turn_reply>());
  CHECK(last->get_as<turn_reply>(1).text == "for somebody else");
}

TEST_CASE("a turn that waited through a loss and was asked for again is told once", "[link]") {
  link_fixture f{GENERATE(1, 2, 3)};
  f.b_owns_all();
  f.b.world->answers = false;
  f.ask_turn(1, "with a key", "k", true);
  f.run();
  f.connection->cut();
  f.pass(1s);
  REQUIRE(f.b.world->open.size() == 2);
  // When it runs it finds that it was asked for twice, and tells both.
  for (auto& x : f.b.world->open)
    tell(f, x, "Hello.");
  for (auto& x : f.b.world->open)
    complete(f, x, "Hello.");
  CHECK(f.world->tokens == "Hello.");
  CHECK(f.replies().at(1).text == "Hello.");
}

TEST_CASE("a link that fails gives back what it had, and is started again", "[link]") {
  link_fixture f;
  f.connection->refuses = true;
  f.b_owns_all();
  f.ask_turn(1, "still there?");
  f.run();
  f.connection->refuses = false;
  f.dial_breaks = true;
  f.pass(1s);
  f.pass(1s);
  CHECK_FALSE(f.dial_breaks);
  CHECK(f.replies().contains(1));
}
