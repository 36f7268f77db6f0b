#include "actors/llm_route.hpp"

#include <map>

#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// The LINKs to other nodes, as their LLMs, and who asks.
struct other_nodes {
  struct call {
    std::string node;
    context ctx;
    llm_client_actor client;
    uint64_t number = 0;
    generation ask;
  };
  std::vector<call> calls;
  std::vector<uint64_t> cancelled;
  int builtins = 0;
  std::map<uint64_t, std::string> tokens;
  std::map<uint64_t, completion> completed;
  std::map<uint64_t, failure> failed;
};

llm_actor::behavior_type fake_link(llm_actor::pointer, other_nodes* w, std::string node) {
  return {[=](const context& ctx, atom::generate, llm_client_actor& client, uint64_t number,
              generation& ask) {
            w->calls.push_back({node, ctx, client, number, std::move(ask)});
          },
          [=](const context&, atom::cancel, const llm_client_actor&, uint64_t number) {
            w->cancelled.push_back(number);
          }};
}

llm_actor::behavior_type fake_builtin(llm_actor::pointer self, other_nodes* w) {
  return {[=](const context& ctx, atom::generate, const llm_client_actor& client, uint64_t number,
              const generation&) {
            ++w->builtins;
            completion x;
            x.deployment = "builtin";
            self->send(client, ctx, atom::completed_v, number, x);
          },
          [](const context&, atom::cancel, const llm_client_actor&, uint64_t) {}};
}

llm_client_actor::behavior_type asker(llm_client_actor::pointer, other_nodes* w) {
  return {[=](const context&, atom::token, uint64_t ticket, const std::string& x) {
            w->tokens[ticket] += x;
          },
          [=](const context&, atom::completed, uint64_t ticket, completion& x) {
            w->completed[ticket] = std::move(x);
          },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            w->failed[ticket] = std::move(why);
          }};
}

cluster_member member(std::string name, double capacity = 1,
                      std::vector<std::string> roles = {"llm"}) {
  cluster_member x;
  x.name = std::move(name);
  x.roles = std::move(roles);
  x.capacity = capacity;
  x.protocol = newest_link_protocol;
  x.live = true;
  return x;
}

const failure lost{ec::unavailable, "node a was lost", {}, 1};

struct route_fixture : test::frozen_system {
  explicit route_fixture(bool fallback = false) {
    llm_options options;
    options.builtin_fallback = fallback;
    options.max_waiting = 2;
    client = spawn(asker, &w);
    home = spawn(llm_route, link_options{}, options, spawn(fake_builtin, &w));
  }

  void members(std::vector<cluster_member> all) {
    caf::anon_send<caf::message_priority::high>(home, context{}, atom::members_v, std::move(all));
    run();
  }

  void link(const std::string& node) {
    caf::anon_send<caf::message_priority::high>(home, context{}, atom::peer_v, node,
                                                spawn(fake_link, &w, node));
    run();
  }

  void unlink(const std::string& node) {
    caf::anon_send<caf::message_priority::high>(home, context{}, atom::peer_v, node, llm_actor{});
    run();
  }

  void ask(uint64_t ticket, caf::timespan budget = 0s,
           std::vector<std::string> deployments = {"one"}) {
    generation x;
    x.deployments = std::move(deployments);
    x.persona = "companion";
    x.messages = {{"user", std::to_string(ticket)}};
    caf::anon_send(home, flow(priority::normal, budget), atom::generate_v, client, ticket, x);
    run();
  }

  void token(size_t call, const char* text) {
    caf::anon_send(w.calls.at(call).client, flow(), atom::token_v, w.calls[call].number,
                   std::string{text});
    run();
  }

  void complete(size_t call, const char* text = "done") {
    completion x;
    x.text = text;
    caf::anon_send(w.calls.at(call).client, flow(), atom::completed_v, w.calls[call].number, x);
    run();
  }

  void fail(size_t call, failure why) {
    caf::anon_send(w.calls.at(call).client, flow(), atom::failed_v, w.calls[call].number,
                   std::move(why));
    run();
  }

  std::map<std::string, int> shares() const {
    std::map<std::string, int> result;
    for (auto& x : w.calls)
      ++result[x.node];
    return result;
  }

  other_nodes w;
  llm_client_actor client;
  llm_route_actor home;
};

} // namespace

TEST_CASE_METHOD(route_fixture, "generations are shared by capacity among nodes with the role",
                 "[llm_route]") {
  auto draining = member("d");
  draining.draining = true;
  auto old = member("o");
  old.protocol = generations_link_protocol - 1;
  members({member("a"), member("b", 2), member("c", 1, {"worker"}), draining, old});
  for (auto* x : {"a", "b", "c", "d", "o"})
    link(x);
  for (uint64_t i = 1; i <= 6; ++i)
    ask(i);
  CHECK(shares() == std::map<std::string, int>{{"a", 2}, {"b", 4}});
  // One that is over makes room.
  auto of_a = w.calls.at(0).node == "a" ? 0U : 1U;
  complete(of_a);
  ask(7);
  CHECK(w.calls.back().node == "a");
}

TEST_CASE_METHOD(route_fixture, "what a node generates reaches who asked, with its deadline",
                 "[llm_route]") {
  members({member("a")});
  link("a");
  ask(5, 3s);
  CHECK(w.calls.at(0).ctx.deadline
        == scheduler().clock().now().time_since_epoch().count() + caf::timespan{3s}.count());
  CHECK(w.calls[0].ask.messages.at(0).content == "5");
  token(0, "one ");
  token(0, "two");
  complete(0, "one two");
  CHECK(w.tokens[5] == "one two");
  CHECK(w.completed[5].text == "one two");
  token(0, "late");
  CHECK(w.tokens[5] == "one two");
}

TEST_CASE_METHOD(route_fixture, "what a lost node had not begun goes to another", "[llm_route]") {
  members({member("a"), member("b")});
  link("a");
  link("b");
  ask(1);
  fail(0, lost);
  REQUIRE(w.calls.size() == 2);
  CHECK(w.calls[0].node != w.calls[1].node);
  // What the first still says is nobody's.
  token(0, "stale");
  token(1, "fresh");
  complete(1, "fresh");
  CHECK(w.tokens[1] == "fresh");
  CHECK(w.failed.empty());
}

TEST_CASE_METHOD(route_fixture, "what a lost node had begun fails, and is not begun anew",
                 "[llm_route]") {
  members({member("a"), member("b")});
  link("a");
  link("b");
  ask(1);
  token(0, "Once upon");
  fail(0, lost);
  CHECK(w.calls.size() == 1);
  CHECK(w.failed.at(1).code == ec::unavailable);
  CHECK(w.failed[1].retry_after == 1);
}

TEST_CASE_METHOD(route_fixture, "other failures are the model's, and told", "[llm_route]") {
  members({member("a"), member("b")});
  link("a");
  link("b");
  ask(1);
  fail(0, {ec::upstream_failed, "no deployment could answer", {}});
  CHECK(w.calls.size() == 1);
  CHECK(w.failed.at(1).code == ec::upstream_failed);
}

TEST_CASE_METHOD(route_fixture, "the end of a LINK is the end of what was there", "[llm_route]") {
  members({member("a")});
  link("a");
  ask(1);
  token(0, "begun");
  ask(2);
  unlink("a");
  CHECK(w.failed.at(1).code == ec::unavailable);
  CHECK(w.failed.count(2) == 0);
  link("a");
  REQUIRE(w.calls.size() == 3);
  complete(2, "again");
  CHECK(w.completed.at(2).text == "again");
}

TEST_CASE_METHOD(route_fixture, "without a live node with the role the caller is told at once",
                 "[llm_route]") {
  members({member("c", 1, {"gateway", "worker"})});
  link("c");
  ask(1);
  CHECK(w.failed.at(1).code == ec::unavailable);
  CHECK_THAT(w.failed[1].message, Catch::Contains("no live node of the cluster has the role llm"));
  CHECK(w.calls.empty());
}

TEST_CASE_METHOD(route_fixture, "while a live node cannot be reached it is tried, for a while",
                 "[llm_route]") {
  members({member("a")});
  ask(1);
  ask(2, 3s);
  CHECK(w.failed.empty());
  link("a");
  REQUIRE(w.calls.size() == 2);
  fail(0, lost);
  fail(1, lost);
  pass(200ms);
  CHECK(w.calls.size() == 4);
  for (size_t i = 2; i < w.calls.size(); ++i) // it goes on so
    fail(i, lost);
  unlink("a");
  pass(4s);
  CHECK(w.failed.count(1) == 0);
  CHECK(w.failed.at(2).code == ec::timeout);
  pass(link_options{}.hold);
  CHECK(w.failed.at(1).code == ec::unavailable);
  CHECK_THAT(w.failed[1].message, Catch::Contains("can be reached"));
}

TEST_CASE_METHOD(route_fixture, "what waits for a node is bounded, and refused when it dies",
                 "[llm_route]") {
  members({member("a")});
  for (uint64_t i = 1; i <= 3; ++i)
    ask(i);
  CHECK(w.failed.at(3).code == ec::overloaded);
  members({});
  CHECK(w.failed.at(1).code == ec::unavailable);
  CHECK(w.failed.at(2).code == ec::unavailable);
}

TEST_CASE_METHOD(route_fixture, "what is cancelled is cancelled there, and tells nothing more",
                 "[llm_route]") {
  members({member("a")});
  ask(1); // held
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::cancel_v, client, uint64_t{1});
  run();
  link("a");
  CHECK(w.calls.empty());
  ask(2);
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::cancel_v, client, uint64_t{2});
  run();
  CHECK(w.cancelled == std::vector<uint64_t>{w.calls.at(0).number});
  complete(0);
  CHECK(w.completed.empty());
  CHECK(w.failed.empty());
}

TEST_CASE_METHOD(route_fixture, "what is cancelled before it is looked at never begins",
                 "[llm_route]") {
  members({member("a")});
  link("a");
  generation x;
  x.deployments = {"one"};
  caf::anon_send(home, flow(), atom::generate_v, client, uint64_t{1}, x);
  caf::anon_send<caf::message_priority::high>(home, context{}, atom::cancel_v, client, uint64_t{1});
  run(); // the cancel comes first: it is control
  CHECK(w.calls.empty());
  ask(2);
  CHECK(w.calls.size() == 1);
}

TEST_CASE("the builtin responder answers here, and in place of models where it may",
          "[llm_route]") {
  auto fallback = GENERATE(false, true);
  route_fixture f{fallback};
  f.ask(1, 0s, {});
  CHECK(f.w.completed.at(1).deployment == "builtin");
  f.ask(2);
  CHECK(f.w.completed.count(2) == (fallback ? 1U : 0U));
  CHECK(f.w.failed.count(2) == (fallback ? 0U : 1U));
}
