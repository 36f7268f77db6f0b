#include "actors/partition_host.hpp"

#include "test/actors/fake_membership.hpp"
#include "test/actors/quiet_partition.hpp"
#include "test/actors/turn_fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// What PARTITION HOST told its partners.
struct host_world : test::membership_world {
  std::map<uint32_t, route_place::kind> places;
  std::map<uint32_t, bool> here;
  std::map<uint32_t, listened_partition_actor> homes;
  std::vector<std::string> routed;
  int commits_before_flush = 0;
  bool settled = false;
};

using host_world_ptr = std::shared_ptr<host_world>;

store_writer_actor::behavior_type fake_writer(store_writer_actor::pointer, host_world_ptr w) {
  return {
      [](const context&, atom::write, const store_client_actor&, uint64_t, const store_write&) {},
      [=](const context&, atom::drain) {
        w->commits_before_flush += w->flushed.empty() ? 1 : 0;
        return atom::drained_v;
      }};
}

route_actor::behavior_type fake_route(route_actor::pointer, host_world_ptr w) {
  return test::quiet_partition<route_actor>(
      [=](const turn_request& x) { w->routed.push_back(x.text); },
      [](const context&, atom::returned, const routed_call&) {},
      [](const context&, atom::settled, uint32_t, const std::string&) {},
      [=](const context&, atom::place, uint32_t number, const route_place& x) {
        w->places[number] = x.at;
      },
      [](const context&, atom::settle, uint32_t) { return atom::settled_v; },
      [](const context&, atom::peer, const std::string&, const link_actor&) {});
}

struct host_fixture : test::turn_fixture {
  explicit host_fixture(uint64_t seed = 1) : turn_fixture(seed) {
    partition_host_parts with;
    with.make = [this](uint32_t, uint64_t epoch, listened_partition_actor successor) {
      ++made;
      epochs.push_back(epoch);
      return listened_partition_actor{spawn(
          partition, parts,
          shard_factory{[this](caf::actor_system&) { return spawn(test::fake_shard, world); }},
          std::move(successor))};
    };
    with.publish = [w = told](uint32_t number, listened_partition_actor home, bool here, uint64_t) {
      w->homes[number] = std::move(home);
      w->here[number] = here;
    };
    with.writer = spawn(fake_writer, told);
    with.route = spawn(fake_route, told);
    members = spawn(test::fake_membership, told);
    with.settled = [w = told](bool settled) { w->settled = settled; };
    host = spawn(partition_host, std::move(with), std::vector<ownership>{});
    run();
  }

  ~host_fixture() { told->homes.clear(); }

  void tell(uint32_t number, ownership::state is, uint64_t epoch = 1) {
    caf::send_as<caf::message_priority::high>(
        members, host, context{}, atom::ownership_v,
        std::vector<ownership>{{number, is, epoch, is == ownership::state::elsewhere ? "b" : ""}});
    run();
  }

  host_world_ptr told = std::make_shared<host_world>();
  size_t made = 0;
  std::vector<uint64_t> epochs;
  membership_actor members;
  partition_host_actor host;
};

using state = ownership::state;

} // namespace

TEST_CASE_METHOD(host_fixture, "an owned partition lives here until it is given up") {
  tell(3, state::owned);
  CHECK(told->here[3]);
  CHECK(told->places[3] == route_place::kind::here);
  say(told->homes[3], 1, "hello");
  run();
  CHECK(done() == std::vector<uint64_t>{1});
  tell(3, state::releasing);
  CHECK_FALSE(told->here[3]);
  CHECK(told->places[3] == route_place::kind::moving);
  CHECK(told->flushed == std::vector<std::pair<uint32_t, uint64_t>>{{3, 1}});
  CHECK(told->commits_before_flush == 1);
  tell(3, state::elsewhere);
  CHECK(told->places[3] == route_place::kind::peer);
}

TEST_CASE_METHOD(host_fixture,
                 "a partition that was lost and claimed again starts under its new epoch") {
  tell(3, state::owned, 4);
  tell(3, state::lost, 4);
  tell(3, state::owned, 5);
  CHECK(epochs == std::vector<uint64_t>{4, 5});
}

TEST_CASE_METHOD(host_fixture, "a partition that moves ends what runs and passes on what is new") {
  tell(3, state::owned);
  auto home = told->homes[3];
  world->model_silent = true;
  say(home, 1, "hello");
  run();
  tell(3, state::releasing);
  CHECK(told->flushed.empty());
  say(home, 2, "again");
  run();
  CHECK(told->routed == std::vector<std::string>{"again"});
  CHECK(failures().empty());
  caf::anon_send<caf::message_priority::high>(home, flow(), atom::cancel_v, client(), uint64_t{1},
                                              owner_key{"default", "u1"}, std::string{"u1"}, false);
  run();
  pass(16s);
  CHECK(told->flushed.size() == 1);
}

TEST_CASE_METHOD(host_fixture,
                 "a lost partition ends at once, and comes back under another epoch") {
  tell(3, state::owned);
  tell(3, state::lost);
  CHECK_FALSE(told->here[3]);
  CHECK(told->flushed.empty());
  tell(3, state::owned, 2);
  CHECK(told->here[3]);
  CHECK(made == 2);
  tell(3, state::owned, 2); // told again: nothing changes
  CHECK(made == 2);
}

TEST_CASE_METHOD(host_fixture, "a partition that never lived here is released at once") {
  tell(7, state::releasing, 4);
  CHECK(told->flushed == std::vector<std::pair<uint32_t, uint64_t>>{{7, 4}});
}

TEST_CASE_METHOD(host_fixture, "a partition that fails is started again") {
  tell(3, state::owned);
  caf::anon_send_exit(told->homes[3], caf::exit_reason::unhandled_exception);
  run();
  CHECK_FALSE(told->here[3]);
  pass(1s);
  CHECK(told->here[3]);
  CHECK(made == 2);
  say(told->homes[3], 1, "hello");
  run();
  CHECK(done() == std::vector<uint64_t>{1});
}

TEST_CASE_METHOD(host_fixture, "what a moved partition left behind does not end its next stay") {
  tell(3, state::owned);
  tell(3, state::releasing);
  tell(3, state::elsewhere, 2);
  tell(3, state::owned, 3);
  pass(10s); // the first stay's lingering is over
  CHECK(told->here[3]);
  say(told->homes[3], 1, "hello");
  run();
  CHECK(done() == std::vector<uint64_t>{1});
}

TEST_CASE_METHOD(host_fixture, "a node is settled when every partition has a place") {
  caf::send_as<caf::message_priority::high>(
      members, host, context{}, atom::ownership_v,
      std::vector<ownership>{{0, state::owned, 1, ""}, {1, state::unowned, 0, ""}});
  run();
  CHECK_FALSE(told->settled);
  tell(1, state::elsewhere, 3);
  CHECK(told->settled);
  tell(1, state::unowned, 3); // its owner died: there will be another
  CHECK(told->settled);
  tell(0, state::lost);
  CHECK_FALSE(told->settled);
  tell(0, state::owned, 2);
  CHECK_FALSE(told->settled);
  tell(1, state::elsewhere, 4);
  CHECK(told->settled);
}
