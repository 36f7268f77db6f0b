// What becomes of calls whose peer is lost.
#include "test/actors/link_fixture.hpp"

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
