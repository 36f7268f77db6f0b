// Turns of one conversation while its partition moves and turns wait in ADMISSION: they begin in
// the order in which they were said, wherever they begin.
#include "actors/admission.hpp"
#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// A PARTITION that lets turns run until the test ends them, and once it drains sends what is new
/// to ROUTE.
struct slow_world {
  struct turn {
    turn_client_actor client;
    uint64_t ticket = 0;
    turn_request request;
  };
  std::vector<turn> open;
  std::vector<uint64_t> cancelled;
  /// As they began, on either node.
  std::vector<std::string>* begun = nullptr;
  route_actor successor;
  bool draining = false;
  caf::typed_response_promise<atom::drained> drained;
};

using slow_ptr = std::shared_ptr<slow_world>;

listened_partition_actor::behavior_type slow_home(listened_partition_actor::pointer self,
                                                  slow_ptr w) {
  return {
      [=](const context& ctx, atom::recall v,
          const memory_query& x) -> caf::result<std::vector<recalled>> {
        if (w->draining)
          return self->delegate(w->successor, ctx, v, x);
        recalled found;
        found.what.text = "here";
        return std::vector<recalled>{found};
      },
      [](const context&, atom::remember, memory_write&) { return memory_receipt{}; },
      [](const context&, atom::list, const memory_page_query&) { return memory_page{}; },
      [](const context&, atom::remove, const owner_key&, const std::string&) { return true; },
      [](const context&, atom::forget, const owner_key&) { return forget_receipt{}; },
      [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
      [=](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
          turn_request& x) {
        if (w->draining) {
          self->send(w->successor, ctx, atom::say_v, std::move(client), ticket, std::move(x));
          return;
        }
        w->begun->push_back(x.text);
        w->open.push_back({std::move(client), ticket, std::move(x)});
      },
      [=](const context&, atom::cancel, const turn_client_actor&, uint64_t ticket, const owner_key&,
          const std::string&, bool) { w->cancelled.push_back(ticket); },
      [=](const context&, atom::drain) -> caf::result<atom::drained> {
        w->draining = true;
        if (w->open.empty())
          return atom::drained_v;
        return w->drained = self->make_response_promise<atom::drained>();
      },
      [=](const context&, atom::tick) {
        if (w->open.empty())
          return;
        auto x = std::move(w->open.front());
        w->open.erase(w->open.begin());
        turn_reply reply;
        reply.text = x.request.text;
        self->send(x.client, context{}, atom::completed_v, x.ticket, std::move(reply));
        if (w->open.empty() && w->drained.pending())
          w->drained.deliver(atom::drained_v);
      },
      [](const context&, atom::subscribe, const event_client_actor&, const owner_key&,
         const std::string&, const subscription&) {},
  };
}

/// Two nodes with an ADMISSION each; everything is of one partition.
struct order_fixture : link_fixture {
  explicit order_fixture(uint64_t seed = 1) : link_fixture(seed, few_frames()), random(seed) {
    for (auto* x : {&a, &b}) {
      admission_parts with;
      with.options.max_running = 3;
      with.session.max_waiting = 1000;
      with.home = [x](const owner_key&) -> partition_actor {
        return x->owned.empty() ? partition_actor{x->route} : partition_actor{x->home};
      };
      with.figures = [] { return process_figures{}; };
      with.memory = 1000;
      with.metrics = metrics;
      x->gate = spawn(admission, std::move(with));
      start_home(*x);
    }
    meet();
  }

  ~order_fixture() {
    // Before what they use.
    for (auto* x : {&a, &b}) {
      caf::anon_send_exit(x->gate, caf::exit_reason::kill);
      caf::anon_send_exit(x->home, caf::exit_reason::kill);
      caf::anon_send_exit(x->links, caf::exit_reason::kill);
    }
    run();
  }

  static link_options few_frames() {
    link_options x;
    x.window = 8;
    return x;
  }

  /// The PARTITION is another one after each move.
  void start_home(link_node& x) {
    auto& w = x.name == "a" ? slow_a : slow_b;
    w = std::make_shared<slow_world>();
    w->begun = &begun;
    w->successor = x.route;
    x.home = spawn(slow_home, w);
  }

  slow_world& world_of(const link_node& x) { return x.name == "a" ? *slow_a : *slow_b; }

  void place(link_node& of, route_place x) {
    for (uint32_t i = 0; i < link_partitions; ++i)
      caf::anon_send<caf::message_priority::high>(of.route, context{}, atom::place_v, i, x);
  }

  /// As PARTITION HOST does it.
  void take(link_node& x) {
    start_home(x);
    own_all(x);
    place(x, at_home(x));
  }

  /// Everything lives on b, and a knows.
  void begin_on_b() {
    take(b);
    place(a, at_peer("b"));
    run();
  }

  void let_go(link_node& x) {
    place(x, nowhere());
    x.owned.clear();
  }

  uint32_t number() const { return partition_of({"default", "ada"}, link_partitions); }

  void end_one(link_node& x) { caf::anon_send(x.home, context{}, atom::tick_v); }

  void say(link_node& at, uint64_t ticket, const std::string& conversation, std::string text) {
    auto x = request(std::move(text), "companion", "ada");
    x.conversation = conversation;
    caf::anon_send(at.route, flow(), atom::say_v, client(), ticket, std::move(x));
  }

  void cancel(link_node& at, uint64_t ticket, const std::string& conversation) {
    caf::anon_send<caf::message_priority::high>(at.route, context{}, atom::cancel_v, client(),
                                                ticket, owner_key{"default", "ada"}, conversation,
                                                false);
    run();
  }

  void some_steps(uint64_t most) {
    for (auto n = random() % most; n > 0 && scheduler().has_job(); --n) {
      auto& jobs = scheduler().jobs;
      std::swap(jobs.front(), jobs[random() % jobs.size()]);
      scheduler().run_once();
    }
  }

  template <class T, class Handle, class... Ts>
  void wait_for(const Handle& whom, Ts... xs) {
    auto pending = (*self)->request<caf::message_priority::high>(whom, caf::infinite, context{},
                                                                 std::move(xs)...);
    while ((*self)->mailbox().empty()) {
      some_steps(4);
      if (random() % 8 == 0)
        end_one(random() % 2 == 0 ? a : b);
      if (!scheduler().has_job())
        scheduler().advance_time(50ms);
    }
    pending.receive([](T) {}, [](const caf::error& err) { FAIL(to_string(err)); });
  }

  double figure(const std::string& name) {
    double sum = 0;
    for (auto& family : services->metrics.Collect())
      for (auto& x : family.metric)
        sum += family.name == name ? x.counter.value + x.gauge.value : 0;
    return sum;
  }

  std::shared_ptr<admission_metrics> metrics =
      std::make_shared<admission_metrics>(services->metrics);
  splitmix random;
  slow_ptr slow_a, slow_b;
  std::vector<std::string> begun;
};

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("a turn that waits at the old owner begins at the new one before those after it",
          "[route]") {
  order_fixture f;
  f.begin_on_b();
  f.say(f.a, 1, "talk", "1");
  f.say(f.a, 2, "talk", "2");
  f.run();
  REQUIRE(f.begun == texts{"1"}); // the second waits in the ADMISSION of b
  // Its lease has ended, and a has claimed what it had; b is late to notice.
  f.take(f.a);
  f.say(f.a, 3, "talk", "3");
  f.run();
  CHECK(f.begun == texts{"1"});
  f.let_go(f.b);
  f.end_one(f.b);
  f.run();
  for (int i = 0; i < 3; ++i) {
    f.end_one(f.a);
    f.run();
  }
  CHECK(f.begun == texts{"1", "2", "3"});
  CHECK(f.replies().size() == 3);
}

TEST_CASE("a turn that a node brought is not passed on to a third", "[route]") {
  order_fixture f;
  f.begin_on_b();
  f.say(f.a, 1, "talk", "1");
  f.say(f.a, 2, "talk", "2");
  f.run();
  f.let_go(f.b);
  f.run();
  // b knows of a new owner, and would find it; a does not yet.
  f.place(f.b, f.at_peer("a"));
  f.end_one(f.b);
  f.run();
  CHECK(f.begun == texts{"1"});
  CHECK(f.figure("sotto_route_sent_back_total") == 1);
  CHECK(f.figure("sotto_route_moved_total") == 1);
  f.take(f.a);
  f.run();
  CHECK(f.begun == texts{"1", "2"});
}

TEST_CASE("an old owner that never lets go of a turn holds up those after it for a while only",
          "[route]") {
  order_fixture f;
  f.begin_on_b();
  f.say(f.a, 1, "talk", "1");
  f.run();
  f.take(f.a);
  f.say(f.a, 2, "talk", "2");
  f.pass(1900ms);
  CHECK(f.begun == texts{"1"});
  f.pass(200ms);
  CHECK(f.begun == texts{"1", "2"});
}

TEST_CASE("a request that a partition passed on while it drained goes back, too", "[route]") {
  order_fixture f;
  f.begin_on_b();
  f.world_of(f.b).draining = true;
  f.place(f.b, f.at_peer("a"));
  auto pending = (*f.self)->request(f.a.route, caf::infinite, f.flow(), atom::recall_v,
                                    memory_query{{"default", "ada"}, "q", {}, 1, 0, ""});
  f.run();
  CHECK(f.figure("sotto_route_sent_back_total") == 1);
  f.let_go(f.b);
  f.take(f.a);
  f.run();
  std::string text;
  pending.receive([&](const std::vector<recalled>& x) { text = x.at(0).what.text; },
                  [](const caf::error&) {});
  CHECK(text == "here");
}

TEST_CASE("a turn is cancelled wherever it is while its partition moves", "[route]") {
  order_fixture f;
  f.take(f.a);
  f.run();
  for (uint64_t i = 1; i <= 4; ++i)
    f.say(f.a, i, "talk", std::to_string(i));
  f.run();
  REQUIRE(f.begun == texts{"1"});
  f.cancel(f.a, 3, "talk"); // in ADMISSION
  f.let_go(f.a);
  f.run();
  f.cancel(f.a, 1, "talk"); // runs where the partition was
  CHECK(f.world_of(f.a).cancelled == std::vector<uint64_t>{1});
  f.cancel(f.a, 4, "talk"); // given back to ROUTE
  f.end_one(f.a);
  f.run();
  f.take(f.b);
  f.place(f.a, f.at_peer("b"));
  f.run();
  CHECK(f.begun == texts{"1", "2"});
  f.cancel(f.a, 2, "talk"); // at the peer
  CHECK(f.world_of(f.b).cancelled.size() == 1);
}

TEST_CASE("whoever lets a partition go waits until ADMISSION has given back its turns", "[route]") {
  order_fixture f;
  f.take(f.a);
  f.run();
  f.say(f.a, 1, "talk", "1");
  f.say(f.a, 2, "talk", "2");
  f.run();
  f.let_go(f.a);
  REQUIRE(f.ask<atom::settled>(f.a.route, context{}, atom::settle_v, f.number()));
  CHECK(f.figure("sotto_route_held") == 1);
  // Nobody takes it: the turn is refused in time, and may be said again.
  for (int i = 0; i < 11; ++i)
    f.pass(1s);
  REQUIRE(f.failures().contains(2));
  CHECK(f.failures().at(2).code == ec::unavailable);
  CHECK(f.failures().at(2).retry_after == 1);
}

TEST_CASE("turns keep their order through both ADMISSIONs, however the partition moves",
          "[route]") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    order_fixture f{seed};
    link_node* owner = &f.b;
    f.take(f.b);
    f.place(f.a, f.at_peer("b"));
    uint64_t next = 0;
    std::map<std::string, texts> said;
    for (int round = 0; round < 30; ++round) {
      auto& other = owner == &f.a ? f.b : f.a;
      switch (f.random() % 6) {
      case 0: { // it moves; the other node may hear of it at any time
        f.let_go(*owner);
        if (f.random() % 2 == 0)
          f.place(other, f.nowhere());
        f.wait_for<atom::settled>(owner->route, atom::settle_v, f.number());
        f.wait_for<atom::drained>(owner->home, atom::drain_v);
        f.some_steps(20);
        f.take(other);
        f.some_steps(20);
        f.place(*owner, f.at_peer(other.name));
        owner = &other;
        break;
      }
      case 1:
        f.connection->stopped = true;
        break;
      case 2:
        f.connection->go_on();
        break;
      case 3:
        f.end_one(*owner);
        break;
      default:
        for (auto n = f.random() % 4; n > 0; --n) {
          auto& at = f.random() % 2 == 0 ? f.a : f.b;
          auto text = fmt::format("{} {:04}", at.name, next);
          said[at.name].push_back(text);
          f.say(at, next++, "talk " + at.name, text);
        }
      }
      f.some_steps(40);
    }
    f.connection->go_on();
    for (int i = 0; i < 400 && f.world->replies.size() < next; ++i) {
      f.end_one(*owner);
      while (f.scheduler().has_job())
        f.some_steps(40);
      f.scheduler().advance_time(50ms);
    }
    CHECK(f.failures().empty());
    CHECK(f.replies().size() == next);
    // Each client's own order.
    for (auto& [name, all] : said) {
      texts mine;
      for (auto& x : f.begun)
        if (x.starts_with(name))
          mine.push_back(x);
      CHECK(mine == all);
    }
  }
}
