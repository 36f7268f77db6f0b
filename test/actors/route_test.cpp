#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

link_options few_held() {
  link_options x;
  x.max_held = 3;
  return x;
}

} // namespace

TEST_CASE("what is for a partition of this node goes there", "[route]") {
  link_fixture f;
  f.place_all(f.a, f.at_home(f.a));
  f.ask_turn(1, "hello");
  f.run();
  CHECK(f.replies().at(1).text == "a: hello");
  auto found = f.ask<std::vector<recalled>>(f.a.route, f.flow(), atom::recall_v,
                                            memory_query{{"default", "ada"}, "q", {}, 1, 0, ""});
  REQUIRE(found);
  CHECK(found->at(0).what.text == "a: q");
}

TEST_CASE("what is for a partition that moves is held, and released in order", "[route]") {
  link_fixture f;
  f.own_all(f.b);
  f.meet();
  for (uint64_t i = 0; i < 5; ++i)
    f.ask_turn(i, std::to_string(i));
  f.run();
  CHECK(f.b.world->said.empty());
  f.place_all(f.a, f.at_peer("b"));
  CHECK(f.b.world->said == std::vector<std::string>{"0", "1", "2", "3", "4"});
  CHECK(f.replies().size() == 5);
}

TEST_CASE("what is held too long, or too late, is refused", "[route]") {
  link_fixture f;
  f.ask_turn(1, "short of time", "", false, priority::normal, 1s);
  f.ask_turn(2, "patient");
  f.run();
  f.pass(1100ms);
  REQUIRE(f.failures().contains(1));
  CHECK(f.failures().at(1).code == ec::timeout);
  for (int i = 0; i < 9; ++i)
    f.pass(1s);
  REQUIRE(f.failures().contains(2));
  CHECK(f.failures().at(2).code == ec::unavailable);
  CHECK(f.failures().at(2).retry_after == 1);
}

TEST_CASE("too much that is held: the newest of the lowest level gives way", "[route]") {
  link_fixture f{1, few_held()};
  for (uint64_t i = 0; i < 3; ++i) {
    f.ask_turn(i, "low", "", false, priority::low);
    f.run();
  }
  f.ask_turn(3, "also low", "", false, priority::low);
  f.run();
  CHECK(f.failures().contains(3));
  f.ask_turn(4, "high", "", false, priority::high);
  f.run();
  REQUIRE(f.failures().contains(2));
  CHECK(f.failures().at(2).code == ec::overloaded);
  CHECK(f.failures().size() == 2);
}

TEST_CASE("a call that comes back again and again is given up in time", "[route]") {
  link_fixture f;
  f.meet();
  f.place_all(f.a, f.at_peer("b")); // which does not own it, and never will
  f.ask_turn(1, "to and fro");
  for (int i = 0; i < 125; ++i)
    f.pass(100ms);
  REQUIRE(f.failures().contains(1));
  CHECK(f.failures().at(1).code == ec::unavailable);
  CHECK(f.failures().at(1).retry_after == 1);
  auto frames = f.connection->frames;
  f.pass(1s);
  CHECK(f.connection->frames == frames);
}

TEST_CASE("a partition that was lost and claimed anew gets nothing before its new home is known",
          "[route]") {
  link_fixture f;
  f.place_all(f.a, f.at_home(f.a));
  // Lost and claimed again, and PARTITION HOST has not heard of either.
  f.a.claims->forbid_all();
  f.ask_turn(1, "early");
  f.run();
  CHECK(f.a.world->said.empty());
  for (uint32_t i = 0; i < link_partitions; ++i)
    f.a.claims->allow(i, 2);
  f.ask_turn(2, "early too");
  f.run();
  CHECK(f.a.world->said.empty());
  f.place_all(f.a, f.nowhere());
  auto anew = f.at_home(f.a);
  anew.epoch = 2;
  f.place_all(f.a, anew);
  CHECK(f.a.world->said == std::vector<std::string>{"early", "early too"});
}

TEST_CASE("a partition here gets nothing while its node's lease does not hold", "[route]") {
  link_fixture f;
  f.place_all(f.a, f.at_home(f.a));
  f.a.lease->until(INT64_MIN);
  f.ask_turn(1, "late");
  f.run();
  auto found = (*f.self)->request(f.a.route, caf::infinite, f.flow(), atom::recall_v,
                                  memory_query{{"default", "ada"}, "q", {}, 1, 0, ""});
  f.run();
  CHECK(f.a.world->said.empty());
  CHECK(f.a.world->recalls == 0);
  // MEMBERSHIP says that it is lost, joins anew and claims it again.
  f.place_all(f.a, f.nowhere());
  f.a.lease->until(INT64_MAX);
  f.place_all(f.a, f.at_home(f.a));
  CHECK(f.replies().contains(1));
  std::string text;
  found.receive([&](const std::vector<recalled>& x) { text = x.at(0).what.text; },
                [](const caf::error&) {});
  CHECK(text == "a: q");
  CHECK(f.a.world->recalls == 1);
}

TEST_CASE("a turn that is held can be cancelled", "[route]") {
  link_fixture f;
  f.ask_turn(1, "one");
  f.ask_turn(2, "two");
  f.run();
  caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::cancel_v, f.client(),
                                              uint64_t{1}, owner_key{"default", "ada"},
                                              std::string{"talk"}, false);
  f.run();
  f.place_all(f.a, f.at_home(f.a));
  CHECK(f.a.world->said == std::vector<std::string>{"two"});
}

TEST_CASE("a node that does not own the partition yet is asked again", "[route]") {
  link_fixture f;
  f.meet();
  f.place_all(f.a, f.at_peer("b"));
  f.ask_turn(1, "early");
  f.run();
  CHECK(f.b.world->said.empty());
  f.own_all(f.b);
  f.pass(300ms);
  CHECK(f.replies().contains(1));
  f.ask_turn(2, "then");
  f.run();
  CHECK(f.replies().contains(2));
}

TEST_CASE("what did not begin at the old owner goes to the new one", "[route]") {
  link_fixture f;
  f.b_owns_all();
  f.b.owned.clear(); // released, and the news is late
  f.ask_turn(1, "follows");
  f.run();
  CHECK(f.replies().empty());
  f.place_all(f.a, f.at_home(f.a));
  CHECK(f.a.world->said == std::vector<std::string>{"follows"});
}

TEST_CASE("a write that the store refused because the partition moved is made again", "[route]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->fails = partition_moved();
  memory_write write;
  write.owner = {"default", "ada"};
  auto& self = *f.self;
  auto pending = self->request(f.a.route, caf::infinite, f.flow(), atom::remember_v, write);
  f.run();
  f.place_all(f.a, f.at_home(f.a));
  size_t ids = 0;
  pending.receive([&](const memory_receipt& x) { ids = x.ids.size(); }, [](const caf::error&) {});
  CHECK(ids == 2);
  CHECK(f.a.world->written.size() == 1);
}

// Turns of one conversation arrive in order wherever they run, while the partition moves between
// the two nodes at any moment and the connection stops and goes on.
TEST_CASE("turns of a conversation keep their order while it moves", "[route]") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    link_options with;
    with.window = 8;
    link_fixture f{seed, with};
    f.meet();
    splitmix random{seed};
    std::vector<std::string> order; // as they were begun, on either node
    uint64_t next = 0;
    auto& a = f.a;
    auto& b = f.b;
    // Both homes tell in which order turns begin.
    auto gather = [&] {
      for (auto* x : {&a, &b}) {
        order.insert(order.end(), x->world->said.begin(), x->world->said.end());
        x->world->said.clear();
      }
    };
    auto some_steps = [&](uint64_t most) {
      for (auto n = random() % most; n > 0 && f.scheduler().has_job(); --n) {
        auto& jobs = f.scheduler().jobs;
        std::swap(jobs.front(), jobs[random() % jobs.size()]);
        f.scheduler().run_once();
        gather();
      }
    };
    auto place = [&](route_place x) {
      for (uint32_t i = 0; i < link_partitions; ++i)
        caf::anon_send<caf::message_priority::high>(a.route, context{}, atom::place_v, i, x);
    };
    // Whoever lets a partition go waits for what was sent there.
    auto drained = [&](const listened_partition_actor& home) {
      auto& self = *f.self;
      auto wait = [&](auto pending, auto answer) {
        while (self->mailbox().empty())
          some_steps(3);
        pending.receive([](decltype(answer)) {}, [](const caf::error&) {});
      };
      wait(self->request<caf::message_priority::high>(a.route, caf::infinite, context{},
                                                      atom::settle_v, uint32_t{0}),
           atom::settled_v);
      wait(self->request(home, caf::infinite, context{}, atom::drain_v), atom::drained_v);
    };
    auto here = false;
    f.own_all(b);
    place(f.at_peer("b"));
    for (int round = 0; round < 30; ++round) {
      switch (random() % 6) {
      case 0: // it moves: the old owner lets go, nobody has it, the new owner takes it
        place(f.nowhere());
        if (!here) {
          b.owned.clear();
          drained(b.home);
          some_steps(20);
          place(f.at_home(a));
        } else {
          drained(a.home);
          place(f.at_peer("b"));
          some_steps(20);
          f.own_all(b);
        }
        here = !here;
        break;
      case 1: // the owner is late to know
        if (!here) {
          b.owned.clear();
          some_steps(30);
          f.own_all(b);
        }
        break;
      case 2:
        f.connection->stopped = true;
        break;
      case 3:
        f.connection->go_on();
        break;
      default:
        for (auto n = random() % 4; n > 0; --n) {
          f.ask_turn(next, fmt::format("{:04}", next));
          ++next;
        }
      }
      some_steps(40);
    }
    f.connection->go_on();
    if (!here)
      f.own_all(b);
    for (int i = 0; i < 20; ++i) {
      while (f.scheduler().has_job())
        some_steps(40);
      f.scheduler().advance_time(100ms);
    }
    CHECK(order.size() == next);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(f.replies().size() == next);
  }
}

TEST_CASE("a turn that was cancelled while it came back is not made again", "[link]") {
  link_fixture f;
  f.b_owns_all();
  f.b.world->answers = false;
  auto ask_and_cancel = [&](uint64_t ticket, bool lost, std::string key) {
    f.ask_turn(ticket, "hello", key);
    f.run();
    caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::cancel_v, f.client(),
                                                ticket, owner_key{"default", "ada"},
                                                std::string{"talk"}, lost);
    f.run();
    // As LINK had given it back before it heard of that.
    auto what = test::turn_fixture::request("hello");
    what.idempotency_key = key;
    routed_call x;
    x.order = ticket;
    x.partition = partition_of(what.owner, link_partitions);
    x.ctx = f.flow();
    x.client = f.client();
    x.ticket = ticket;
    x.what = caf::make_message(x.ctx, atom::say_v, std::move(what));
    caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::returned_v,
                                                std::move(x));
    f.run();
  };
  ask_and_cancel(1, false, "");
  ask_and_cancel(2, true, "");
  ask_and_cancel(3, false, "k");
  ask_and_cancel(4, true, "l"); // it may be asked for again
  f.place_all(f.a, link_fixture::at_home(f.a));
  for (int i = 0; i < 4; ++i)
    f.pass(1s);
  CHECK(f.a.world->said.size() == 1);
  CHECK(f.replies().count(4) == 1);
  CHECK(f.failures().empty());
}
