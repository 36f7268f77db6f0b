// What ADMISSION, ROUTE, LLM ROUTE and LLM SCHEDULER do when a handler of theirs throws: who waits
// is told, everybody else is served as before.
#include <stdexcept>

#include "actors/admission.hpp"
#include "actors/llm_scheduler.hpp"
#include "test/actors/brittle.hpp"
#include "test/actors/link_fixture.hpp"
#include "test/actors/quiet_partition.hpp"
#include "test/metrics_text.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// What is thrown may hold words of a user.
constexpr auto secret = "my secret is 4711";

struct broken_admission : test::turn_fixture {
  broken_admission() {
    home = spawn(partition, parts, shard_factory{[this](caf::actor_system&) { return shard; }},
                 listened_partition_actor{});
    admission_parts with;
    with.options.max_running = 2;
    with.options.max_waiting = 50;
    with.home = [this](const owner_key& owner) -> partition_actor {
      if (owner.owner.starts_with("bad"))
        throw std::length_error{secret};
      return home;
    };
    with.figures = [this] {
      if (std::exchange(breaks, false))
        throw std::bad_alloc{};
      return process_figures{};
    };
    door = spawn(admission, std::move(with));
  }

  void ask_turn(uint64_t ticket, const std::string& owner) {
    caf::anon_send(door, flow(), atom::say_v, client(), ticket,
                   request("hello", "companion", owner));
  }

  void cancel(uint64_t ticket, const std::string& owner) {
    caf::anon_send<caf::message_priority::high>(door, flow(), atom::cancel_v, client(), ticket,
                                                owner_key{"default", owner}, std::string{"talk"},
                                                false);
  }

  bool breaks = false;
  partition_actor home;
  admission_actor door;
};

TEST_CASE_METHOD(broken_admission, "ADMISSION: a turn that fails there is answered, its slot and "
                                   "its conversation are free again") {
  for (uint64_t i = 1; i <= 5; ++i)
    ask_turn(i, "bad" + std::to_string(i % 2));
  run();
  REQUIRE(failures().size() == 5);
  for (auto& [ticket, why] : failures()) {
    CHECK(why.code == ec::internal);
    CHECK(why.message.find("4711") == std::string::npos);
  }
  for (uint64_t i = 6; i <= 12; ++i)
    ask_turn(i, std::to_string(i % 3));
  run();
  CHECK(replies().size() == 7);
  CHECK(test::metrics_of(*services).find("sotto_actor_failures_total/admission=5")
        != std::string::npos);
}

TEST_CASE_METHOD(broken_admission,
                 "ADMISSION: one that waits and fails does not hold up the rest") {
  world->model_silent = true;
  ask_turn(1, "a");
  ask_turn(2, "b");
  run();
  ask_turn(3, "bad");
  ask_turn(4, "c");
  ask_turn(5, "bad");
  run();
  CHECK(failures().empty());
  world->model_silent = false;
  cancel(1, "a"); // its end lets the next in, which fails
  run();
  pass(1s);
  CHECK(failures().count(3) == 1);
  CHECK(failures().count(5) == 1);
  CHECK(replies().count(4) == 1);
}

TEST_CASE_METHOD(broken_admission, "ADMISSION: its timer goes on after it failed") {
  world->model_silent = true;
  ask_turn(1, "a");
  ask_turn(2, "b");
  run();
  breaks = true;
  pass(150ms);
  CHECK_FALSE(breaks);
  auto late = flow(priority::normal, 40ms);
  caf::anon_send(door, late, atom::say_v, client(), uint64_t{3},
                 request("hello", "companion", "c"));
  pass(50ms);
  pass(150ms);
  REQUIRE(failures().count(3) == 1);
  CHECK(failures().at(3).code == ec::timeout);
}

/// ROUTE whose partitions live here, and break.
struct broken_route : test::turn_fixture {
  broken_route() {
    route_parts with;
    with.partitions = 2;
    with.gate = [this]() -> turn_gate_actor {
      if (std::exchange(gate_breaks, false))
        throw std::runtime_error{secret};
      return {};
    };
    home = spawn(test::fake_home, w);
    brittle = system->spawn<test::brittle<listened_partition_actor>>(
        breaks, test::quiet_partition<listened_partition_actor>([](const turn_request&) {}));
    way = spawn(route, std::move(with));
  }

  void place(const listened_partition_actor& where) {
    for (uint32_t i = 0; i < 2; ++i)
      caf::anon_send<caf::message_priority::high>(
          way, context{}, atom::place_v, i, route_place{route_place::kind::here, where, {}, 0});
    run();
  }

  test::home_ptr w = std::make_shared<test::home_world>();
  std::shared_ptr<bool> breaks = std::make_shared<bool>(false);
  bool gate_breaks = false;
  listened_partition_actor home, brittle;
  route_actor way;
};

TEST_CASE_METHOD(broken_route, "ROUTE: a place is known although something failed when it came") {
  gate_breaks = true;
  place(home);
  CHECK_FALSE(gate_breaks);
  say(way, 1, "hello");
  run();
  CHECK(replies().count(1) == 1);
}

TEST_CASE_METHOD(broken_route, "ROUTE: what cannot be sent on is answered, the rest goes on") {
  place(brittle);
  *breaks = true;
  say(way, 1, "hello");
  run();
  REQUIRE(failures().count(1) == 1);
  CHECK(failures().at(1).code == ec::internal);
  auto found = ask<std::vector<recalled>>(way, flow(), atom::recall_v, test::query("hello"));
  REQUIRE_FALSE(found);
  CHECK(to_failure(found.error()).code == ec::internal);
  place(home);
  say(way, 2, "hello");
  run();
  CHECK(replies().count(2) == 1);
  CHECK(test::metrics_of(*services).find("sotto_actor_failures_total/route=2")
        != std::string::npos);
}

TEST_CASE_METHOD(broken_route, "ROUTE: of what is held for a partition all is answered") {
  for (uint64_t i = 1; i <= 3; ++i)
    say(way, i, "hello");
  run();
  *breaks = true;
  place(brittle); // lets go of all three
  CHECK(failures().size() == 3);
}

/// An LLM that does nothing.
llm_actor::behavior_type idle_model() {
  return {
      [](const context&, atom::generate, const llm_client_actor&, uint64_t, const generation&) {},
      [](const context&, atom::cancel, const llm_client_actor&, uint64_t) {}};
}

struct heard {
  std::map<uint64_t, failure> failed;
  std::set<uint64_t> completed;
};

llm_client_actor::behavior_type asker(llm_client_actor::pointer, std::shared_ptr<heard> w) {
  return {[](const context&, atom::token, uint64_t, const std::string&) {},
          [=](const context&, atom::completed, uint64_t ticket, const completion&) {
            w->completed.insert(ticket);
          },
          [=](const context&, atom::failed, uint64_t ticket, const failure& why) {
            w->failed[ticket] = why;
          }};
}

struct broken_models : test::turn_fixture {
  broken_models() {
    client = spawn(asker, said);
    broken = system->spawn<test::brittle<llm_actor>>(breaks, idle_model());
  }

  template <class Handle>
  void ask_model(const Handle& whom, uint64_t ticket, bool same = false) {
    generation x;
    x.deployments = {"one"};
    x.persona = "companion";
    x.messages = {{"user", same ? "same" : std::to_string(ticket)}};
    if (same)
      x.parameters = R"({"temperature":0})";
    caf::anon_send(whom, flow(), atom::generate_v, client, ticket, std::move(x));
    run();
  }

  std::shared_ptr<heard> said = std::make_shared<heard>();
  std::shared_ptr<bool> breaks = std::make_shared<bool>(false);
  llm_client_actor client;
  llm_actor broken;
};

TEST_CASE_METHOD(broken_models, "LLM SCHEDULER: who cannot be connected is told, others go on") {
  llm_options options;
  options.deployments.resize(1);
  options.deployments[0].name = "one";
  options.deployments[0].max_concurrency = 2;
  auto failing = 0;
  auto home = spawn(llm_scheduler, options, llm_actor{},
                    connect_function{[&](caf::actor_system&, const llm_deployment&) -> llm_actor {
                      if (failing-- > 0)
                        throw std::runtime_error{secret};
                      return spawn(test::fake_model, world);
                    }});
  SECTION("a place of the deployment is not lost") {
    failing = 5;
    for (uint64_t i = 1; i <= 5; ++i)
      ask_model(home, i);
    CHECK(said->failed.size() == 5);
  }
  SECTION("nobody joins a call that failed") {
    failing = 1;
    ask_model(home, 1, true);
    CHECK(said->failed.size() == 1);
    CHECK(said->failed[1].code == ec::internal);
    ask_model(home, 2, true);
    CHECK(said->completed.count(2) == 1);
  }
  SECTION("nor where it could not be asked") {
    *breaks = true;
    auto other =
        spawn(llm_scheduler, options, llm_actor{},
              connect_function{[&](caf::actor_system&, const llm_deployment&) -> llm_actor {
                return *breaks ? broken : spawn(test::fake_model, world);
              }});
    for (uint64_t i = 1; i <= 3; ++i)
      ask_model(other, i, true);
    CHECK(said->failed.size() == 3);
    *breaks = false;
    ask_model(other, 4, true);
    CHECK(said->completed.count(4) == 1);
  }
  ask_model(home, 11);
  ask_model(home, 12);
  ask_model(home, 13);
  CHECK(said->completed.count(11) == 1);
  CHECK(said->completed.count(13) == 1);
}

TEST_CASE_METHOD(broken_models, "LLM ROUTE: what cannot be sent on is answered, the rest goes on") {
  auto home = spawn(llm_route, link_options{}, llm_options{}, llm_actor{});
  cluster_member b;
  b.name = "b";
  b.roles = {"llm"};
  b.protocol = newest_link_protocol;
  b.live = true;
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::members_v,
                                              std::vector<cluster_member>{b});
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::peer_v, std::string{"b"},
                                              broken);
  run();
  *breaks = true;
  for (uint64_t i = 1; i <= 3; ++i)
    ask_model(home, i);
  REQUIRE(said->failed.size() == 3);
  CHECK(said->failed[1].code == ec::internal);
  *breaks = false;
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::peer_v, std::string{"b"},
                                              spawn(test::fake_model, world));
  run();
  ask_model(home, 4);
  CHECK(said->completed.count(4) == 1);
}

} // namespace
