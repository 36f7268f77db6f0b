#include <algorithm>

#include "nodes/native_port.hpp"
#include "runtime/message_bytes.hpp"
#include "test/nodes/native_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// Takes note of the deadlines of what it is asked, and does not answer.
embedding_actor::behavior_type late_embedding(embedding_actor::pointer self,
                                              std::vector<int64_t>* deadlines) {
  return {
      [=](const context& ctx, atom::embed, const std::string&) -> caf::result<std::vector<float>> {
        deadlines->push_back(ctx.deadline);
        return self->make_response_promise<std::vector<float>>();
      },
      [=](const context& ctx, atom::embed,
          const std::vector<std::string>&) -> caf::result<std::vector<std::vector<float>>> {
        deadlines->push_back(ctx.deadline);
        return self->make_response_promise<std::vector<std::vector<float>>>();
      },
  };
}

} // namespace

TEST_CASE("a frontend says who it is before all else, and once", "[native]") {
  native_fixture f;
  SECTION("a call comes first") {
    auto x = f.open();
    f.send(x, native_fixture::turn());
    CHECK(has(x.channel->why(), "the first frame must be the hello"));
    CHECK(x.channel->closed);
    CHECK(f.world->turns.empty());
  }
  SECTION("twice") {
    auto x = f.welcome();
    REQUIRE(x.channel->last<native_welcome>());
    CHECK(x.channel->in);
    CHECK_FALSE(x.channel->closed);
    f.send(x, native_hello{});
    CHECK(x.channel->closed);
  }
  SECTION("in a protocol that this node does not speak") {
    auto x = f.open();
    native_hello later;
    later.oldest = later.newest = newest_native_protocol + 1;
    f.send(x, later);
    CHECK(has(x.channel->why(), "protocols"));
    CHECK(x.channel->closed);
  }
}

TEST_CASE("a frontend is told where the nodes are, and when that changes", "[native]") {
  native_fixture f;
  f.places = std::make_shared<native_places>();
  f.places->set({"a:1", "b:1", "c:1"});
  auto x = f.welcome(), y = f.welcome();
  auto* first = x.channel->last<native_nodes>();
  REQUIRE(first);
  CHECK(std::ranges::is_permutation(first->addresses, f.places->all()));
  // Frontends that lose the same node do not all go to the same one.
  REQUIRE(y.channel->last<native_nodes>());
  CHECK(y.channel->last<native_nodes>()->addresses != first->addresses);
  f.places->set({"b:1"});
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::members_v);
  f.run();
  CHECK(x.channel->last<native_nodes>()->addresses == std::vector<std::string>{"b:1"});
  SECTION("not in the protocol before") {
    auto old = f.open();
    native_hello hello;
    hello.newest = 1;
    f.send(old, hello);
    REQUIRE(old.channel->last<native_welcome>());
    CHECK(old.channel->last<native_welcome>()->protocol == 1);
    caf::anon_send<caf::message_priority::high>(old.actor, context{}, atom::members_v);
    f.run();
    CHECK_FALSE(old.channel->last<native_nodes>());
  }
  SECTION("not before it said who it is") {
    auto stranger = f.open();
    caf::anon_send<caf::message_priority::high>(stranger.actor, context{}, atom::members_v);
    f.run();
    CHECK(stranger.channel->frames.empty());
  }
}

TEST_CASE("nodes that are named to frontends are live, stay, and serve them", "[native]") {
  cluster_member well;
  well.live = true;
  well.roles = {"gateway"};
  well.native = "well:1";
  std::vector<cluster_member> all(5, well);
  all[1].live = false;
  all[2].draining = true;
  all[3].roles = {"worker"};
  all[4].native.clear();
  CHECK(native_addresses(all) == std::vector<std::string>{"well:1"});
}

TEST_CASE("a frontend that speaks as nodes do is turned away", "[native]") {
  native_fixture f;
  link_hello member;
  member.cluster = "c";
  member.node = "n2";
  auto hello = message_to_bytes(*f.system, caf::make_message(context{}, atom::hello_v, member,
                                                             uint64_t{1}, caf::strong_actor_ptr{}));
  link_frame frame;
  frame.bytes = message_to_bytes(
      *f.system, caf::make_message(context{}, atom::forget_v, owner_key{"default", "ada"}));
  auto frames =
      message_to_bytes(*f.system, caf::make_message(context{}, atom::frames_v, uint64_t{1},
                                                    std::vector<link_frame>{frame}));
  for (auto& bytes : {hello, frames}) {
    auto stranger = f.open();
    f.bytes(stranger, bytes);
    CHECK(stranger.channel->closed);
    auto known = f.welcome();
    f.bytes(known, bytes);
    CHECK(known.channel->closed);
  }
  CHECK(f.world->asked.empty());
}

TEST_CASE("the node says for which tenant a frontend acts", "[native]") {
  native_fixture f;
  SECTION("by the certificate where there are no keys") {
    auto x = f.welcome({}, {"bot", "globex"});
    CHECK(x.channel->last<native_welcome>()->tenant == "globex");
    f.send(x, native_fixture::turn());
    CHECK(f.world->turns.at(0).request.owner.tenant == "globex");
    memory_query query;
    query.owner = {"default", "ada"};
    query.text = "?";
    f.send(x, query);
    f.send(x, native_forget{{"default", "ada"}});
    CHECK(f.world->asked.at(0).tenant == "globex");
    CHECK(f.world->asked.at(1).tenant == "globex");
  }
  SECTION("not by its own word") {
    auto x = f.welcome({}, {"bot", ""}, "globex");
    CHECK(has(x.channel->why(), "acts for tenant default"));
    CHECK(x.channel->closed);
  }
  SECTION("by the key where there are keys") {
    auto key = f.make_key([](api_key&) {});
    auto x = f.welcome(key);
    REQUIRE(x.channel->last<native_welcome>());
    CHECK(x.channel->last<native_welcome>()->tenant == "acme");
    CHECK(has(f.welcome().channel->why(), "an API key is required"));
    CHECK(has(f.welcome(key + "x").channel->why(), "not valid"));
    CHECK(has(f.welcome(key, {"bot", "globex"}).channel->why(), "for tenant globex"));
    CHECK(has(f.welcome(key, {"bot", ""}, "globex").channel->why(), "admin key"));
  }
  SECTION("an admin key acts for any") {
    auto key = f.make_key([](api_key& x) { x.admin = true; });
    auto x = f.welcome(key, {"bot", ""}, "globex");
    CHECK(x.channel->last<native_welcome>()->tenant == "globex");
  }
}

TEST_CASE("a key's ceiling and rate hold for a frontend", "[native]") {
  native_fixture f;
  auto key = f.make_key([](api_key& x) {
    x.ceiling = priority::low;
    x.rate = 1;
    x.burst = 3; // one goes to the hello
  });
  auto x = f.welcome(key);
  f.send(x, native_fixture::turn(), priority::critical);
  CHECK(f.world->turns.at(0).request.level == priority::low);
  f.send(x, native_fixture::turn());
  CHECK_FALSE(x.channel->last<failure>());
  f.send(x, native_fixture::turn());
  CHECK(has(x.channel->why(), "rate limit"));
  CHECK(x.channel->last<failure>()->code == ec::overloaded);
  CHECK_FALSE(x.channel->closed);
}

TEST_CASE("a frontend whose key was revoked has to go", "[native]") {
  native_fixture f;
  auto key = f.make_key([](api_key&) {});
  auto x = f.welcome(key);
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::tick_v);
  f.run();
  CHECK_FALSE(x.channel->closed);
  f.keys.at(0).revoked = 1;
  REQUIRE_FALSE(write_keys(f.with.edge.keys_file, f.keys));
  f.door->reload();
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::tick_v);
  f.run();
  CHECK(x.channel->closed);
}

TEST_CASE("calls of a frontend are bounded, and each is taken off its reading", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  for (int i = 0; i < 6; ++i)
    f.send(x, native_fixture::turn("user-" + std::to_string(i)));
  CHECK(f.world->turns.size() == 2); // max_in_flight
  auto refused = std::count_if(x.channel->frames.begin(), x.channel->frames.end(),
                               [](auto& y) { return std::holds_alternative<failure>(y.body); });
  CHECK(refused == 2); // max_calls are in
  CHECK(has(x.channel->why(), "credit"));
  f.answer(0);
  CHECK(f.world->turns.size() == 3);
  CHECK(x.channel->last<turn_reply>()->text == "hi");
  CHECK(x.channel->frames_taken == 7);
}

TEST_CASE("numbers of calls go up", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  f.send(x, native_fixture::turn());
  --x.number;
  f.send(x, native_fixture::turn());
  CHECK(x.channel->closed);
  CHECK(f.world->turns.size() == 1);
}

TEST_CASE("a frontend cancels a call that runs, and one that waits", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 3; ++i)
    numbers.push_back(f.send(x, native_fixture::turn("user-" + std::to_string(i))));
  f.cancel(x, numbers[2]);
  CHECK(x.channel->last<failure>()->code == ec::cancelled);
  CHECK(x.channel->frames.back().number == numbers[2]);
  CHECK(f.world->cancelled.empty());
  f.cancel(x, numbers[0]);
  CHECK(f.world->cancelled == std::vector<bool>{false});
  CHECK(x.channel->frames.back().number == numbers[0]);
  f.answer(0); // too late: nothing is told twice
  CHECK_FALSE(x.channel->last<turn_reply>());
}

TEST_CASE("turns of a frontend that was lost are told so", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  f.send(x, native_fixture::turn());
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::cancel_v);
  f.run();
  CHECK(f.world->cancelled == std::vector<bool>{true});
}

TEST_CASE("a node that ends answers what runs, and gives back what comes", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  f.send(x, native_fixture::turn());
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::drain_v);
  f.run();
  CHECK(x.channel->last<native_leaving>());
  CHECK_FALSE(x.channel->closed);
  auto late = f.send(x, native_fixture::turn("bo"));
  CHECK(x.channel->last<native_returned>());
  CHECK(x.channel->frames.back().number == late);
  CHECK(f.world->turns.size() == 1);
  f.answer(0);
  CHECK(x.channel->last<turn_reply>());
  CHECK(x.channel->closed);
}

TEST_CASE("a deadline beyond all time is none", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  f.pass(1s);
  native_call_frame call;
  call.number = ++x.number;
  call.ctx.deadline = INT64_MAX;
  call.body = native_fixture::turn();
  f.bytes(x, to_bytes(call).substr(native_head));
  CHECK(x.channel->why().empty());
  CHECK(f.world->turns.size() == 1);
}

TEST_CASE("no vector is computed for a search that has gone on without it", "[native]") {
  native_fixture f;
  auto x = f.welcome();
  f.to->embeds_elsewhere = true;
  std::vector<int64_t> deadlines;
  f.to->embedding = f.spawn(late_embedding, &deadlines);
  memory_query query;
  query.owner.owner = "ada";
  query.text = "boats";
  f.send(x, query);
  REQUIRE(deadlines.size() == 1);
  auto patience = f.with.gateway.request_timeout / 2;
  CHECK(deadlines[0] == f.scheduler().clock().now().time_since_epoch().count() + patience.count());
  f.pass(patience + 1ms);
  CHECK(x.channel->last<native_found>());
  f.to->embedding = embedding_actor{};
}
