// What comes over a link and is not understood: calls, bytes, and other releases.
#include "actors/link_hello.hpp"
#include "test/actors/odd_peer.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("a call that is not understood is answered", "[link]") {
  link_fixture f;
  f.b_owns_all();
  // A later release has a request that this one does not know.
  auto odd = caf::make_message(context{}, caf::atom("dance"), owner_key{});
  routed_call x;
  x.what = odd;
  x.client = f.client();
  x.ticket = 5;
  caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::returned_v,
                                              x); // as if it came back: ROUTE sends it again
  f.run();
  for (int i = 0; i < 5; ++i)
    f.pass(100ms);
  REQUIRE(f.failures().contains(5));
  CHECK(f.failures().at(5).code == ec::invalid);
  CHECK(f.failures().at(5).message.find("0.1.0") != std::string::npos);
}

TEST_CASE("bytes that are no message are answered, whatever they are", "[link]") {
  frozen_system f{3};
  splitmix random{7};
  auto good = message_to_bytes(*f.system, caf::make_message(context{}, atom::recall_v, query("q")));
  int understood = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = good;
    for (auto n = random() % 8 + 1; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(bytes.size() - random() % bytes.size());
    understood += static_cast<bool>(message_from_bytes(*f.system, bytes));
  }
  CHECK(understood < 3000);
  CHECK(message_from_bytes(*f.system, good));
}

TEST_CASE("two releases whose protocols meet are linked, others are told why not", "[link]") {
  link_hello self{"one", "a", "1", "0.1.0", 2, 4, 1, 1},
      other{"one", "b", "1", "0.2.0", 4, 6, 1, 1};
  CHECK(!check_hello(self, "b", other));
  other.oldest = 5;
  auto why = check_hello(self, "b", other);
  CHECK(why.message.find("0.1.0") != std::string::npos);
  CHECK(why.message.find("0.2.0") != std::string::npos);
  other = {"two", "b", "1", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "b", other).message.find("two") != std::string::npos);
  other = {"one", "a", "2", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "a", other));
  other = {"one", "c", "2", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "b", other));
}

TEST_CASE("a node of another protocol or cluster is not linked, and says why", "[link]") {
  constexpr auto ours = newest_link_protocol;
  for (auto& [as, part] :
       {std::pair{link_hello{"two", "", "", "", ours, ours, 1, 1}, "cluster two"},
        {link_hello{"one", "", "", "", ours + 6, ours + 7, 1, 1}, "protocol"}}) {
    link_fixture f{1, {}, as};
    f.meet();
    f.pass(300ms);
    auto states = f.ask<std::vector<link_state_report>>(f.a.links, context{}, atom::list_v);
    REQUIRE(states);
    REQUIRE(states->size() == 1);
    CHECK(!states->at(0).up);
    CHECK_THAT(states->at(0).why, Catch::Contains(part));
  }
}

namespace {

struct heard_of_model {
  std::map<uint64_t, failure> failed;
  int completed = 0;
};

llm_client_actor::behavior_type model_listener(llm_client_actor::pointer, heard_of_model* w) {
  return {[](const context&, atom::token, uint64_t, const std::string&) {},
          [=](const context&, atom::completed, uint64_t, const completion&) { ++w->completed; },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            w->failed[ticket] = std::move(why);
          }};
}

} // namespace

TEST_CASE("whoever waits hears of an answer that is none of the call's", "[link]") {
  link_fixture f;
  odd_peer peer{f, 1};
  f.place_all(f.b, f.at_peer("a"));
  caf::anon_send(f.b.route, f.flow(), atom::say_v, f.client(), uint64_t{7}, f.request("hello"));
  f.run();
  REQUIRE(peer.frames.size() == 1);
  peer.say(peer.frame(frame_kind::answer, peer.frames[0].number,
                      caf::make_message(atom::completed_v, completion{})));
  REQUIRE(f.failures().contains(7));
  CHECK(f.failures().at(7).code == ec::internal);
}

TEST_CASE("a generation that is given back, or gets another answer, is answered", "[link]") {
  heard_of_model heard;
  link_fixture f;
  odd_peer peer{f, 1};
  auto client = f.spawn(model_listener, &heard);
  cluster_member a;
  a.name = "a";
  a.roles = {"llm"};
  a.protocol = newest_link_protocol;
  a.live = true;
  caf::anon_send<caf::message_priority::high>(f.b.llm_route, context{}, atom::members_v,
                                              std::vector<cluster_member>{a});
  auto ask = [&](uint64_t ticket) {
    generation x;
    x.deployments = {"one"};
    caf::anon_send(f.b.llm_route, f.flow(), atom::generate_v, client, ticket, x);
    f.run();
  };
  ask(1);
  REQUIRE(peer.frames.size() == 1);
  peer.say(peer.frame(frame_kind::answer, peer.frames[0].number,
                      caf::make_message(atom::completed_v, turn_reply{})));
  CHECK(heard.failed.at(1).code == ec::internal);
  ask(2);
  REQUIRE(peer.frames.size() == 2);
  // Only turns and requests move; LLM ROUTE asks again until its time is over.
  peer.say(peer.frame(frame_kind::moved, peer.frames[1].number));
  f.pass(200ms);
  REQUIRE(peer.frames.size() > 2);
  peer.say(peer.frame(frame_kind::answer, peer.frames.back().number,
                      caf::make_message(atom::completed_v, completion{})));
  CHECK(heard.completed == 1);
}

TEST_CASE("a deadline of a peer that is very far away is none that has passed", "[link]") {
  link_fixture f;
  f.own_all(f.b);
  f.b.world->answers = false;
  odd_peer peer{f, 1};
  peer.ask_turn(1, "no hurry", "", INT64_MAX);
  REQUIRE(f.b.world->open.size() == 1);
  auto& turn = f.b.world->open[0];
  CHECK_FALSE(turn.ctx.late(f.scheduler().clock().now().time_since_epoch().count()));
  f.pass(1s);
  turn_reply reply;
  reply.text = "here it is";
  caf::anon_send(turn.client, f.flow(), atom::completed_v, turn.ticket, reply);
  f.run();
  CHECK(peer.frames.size() == 1);
}
