#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// A model that answers when the test says so.
struct model_world {
  std::vector<uint64_t> numbers;
  std::vector<llm_client_actor> clients;
  std::vector<context> contexts;
  std::vector<generation> asked;
  std::vector<uint64_t> cancelled;
};

llm_actor::behavior_type fake_model(llm_actor::pointer, model_world* w) {
  return {[=](const context& ctx, atom::generate, llm_client_actor& client, uint64_t number,
              generation& ask) {
            w->contexts.push_back(ctx);
            w->clients.push_back(client);
            w->numbers.push_back(number);
            w->asked.push_back(std::move(ask));
          },
          [=](const context&, atom::cancel, const llm_client_actor&, uint64_t number) {
            w->cancelled.push_back(number);
          }};
}

struct heard {
  std::string text;
  std::vector<std::string> pieces;
  std::map<uint64_t, completion> completed;
  std::map<uint64_t, failure> failed;
};

llm_client_actor::behavior_type listener(llm_client_actor::pointer, heard* w) {
  return {[=](const context&, atom::token, uint64_t, const std::string& x) {
            w->text += x;
            w->pieces.push_back(x);
          },
          [=](const context&, atom::completed, uint64_t ticket, completion& x) {
            w->completed[ticket] = std::move(x);
          },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            w->failed[ticket] = std::move(why);
          }};
}

/// `a` has no models, `b` has.
struct generating_nodes {
  model_world model;
  heard out;
  link_fixture f;

  explicit generating_nodes(uint64_t seed = 1, link_options with = {}) : f(seed, std::move(with)) {
    f.b.models = f.spawn(fake_model, &model);
    client = f.spawn(listener, &out);
    f.meet();
    cluster_member b;
    b.name = "b";
    b.roles = {"llm"};
    b.protocol = newest_link_protocol;
    b.live = true;
    caf::anon_send<caf::message_priority::high>(f.a.llm_route, context{}, atom::members_v,
                                                std::vector<cluster_member>{b});
    f.run();
  }

  void ask(uint64_t ticket, caf::timespan budget = 0s) {
    generation x;
    x.tenant = "acme";
    x.deployments = {"one", "two"};
    x.persona = "companion";
    x.parameters = R"({"temperature":0})";
    x.messages = {{"system", "Be kind."}, {"user", "Hello?"}};
    x.stream = true;
    caf::anon_send(f.a.llm_route, f.flow(priority::high, budget), atom::generate_v, client, ticket,
                   x);
    f.run();
  }

  void token(size_t i, std::string text) {
    caf::anon_send(model.clients.at(i), f.flow(), atom::token_v, model.numbers[i], std::move(text));
    f.run();
  }

  void complete(size_t i, std::string text) {
    completion x;
    x.text = std::move(text);
    x.model = "large";
    x.deployment = "two";
    x.usage = {3, 4};
    x.failed = {"one"};
    caf::anon_send(model.clients.at(i), f.flow(), atom::completed_v, model.numbers[i], x);
    f.run();
  }

  llm_client_actor client;
};

} // namespace

TEST_CASE("a generation crosses with its deadline, and comes back in pieces", "[link]") {
  generating_nodes x{GENERATE(1, 2, 3)};
  x.ask(9, 5s);
  REQUIRE(x.model.asked.size() == 1);
  auto& got = x.model.asked[0];
  CHECK(got.tenant == "acme");
  CHECK(got.deployments == std::vector<std::string>{"one", "two"});
  CHECK(got.messages.at(1).content == "Hello?");
  CHECK(got.parameters == R"({"temperature":0})");
  CHECK(x.model.contexts[0].level == priority::high);
  CHECK(x.model.contexts[0].deadline
        == x.f.scheduler().clock().now().time_since_epoch().count() + caf::timespan{5s}.count());
  CHECK(*x.f.b.generating == 1);
  std::string all;
  for (auto* piece : {"Hel", "lo", ", ", "Ada", "."}) {
    x.token(0, piece);
    all += piece;
  }
  x.f.pass(10ms);
  CHECK(x.out.text == all);
  CHECK(x.out.pieces.front() == "Hel"); // at once
  CHECK(x.out.pieces.size() == 2);      // the rest gathered
  x.complete(0, all);
  CHECK(x.out.completed.at(9).text == all);
  CHECK(x.out.completed[9].model == "large");
  CHECK(x.out.completed[9].usage.completion == 4);
  CHECK(x.out.completed[9].failed == std::vector<std::string>{"one"});
  CHECK(*x.f.b.generating == 0);
}

TEST_CASE("a generation that fails there fails here as it did there", "[link]") {
  generating_nodes x;
  x.ask(1);
  caf::anon_send(x.model.clients.at(0), x.f.flow(), atom::failed_v, x.model.numbers[0],
                 failure{ec::not_found, "there is no deployment 'one'", "model"});
  x.f.run();
  CHECK(x.out.failed.at(1).code == ec::not_found);
  CHECK(x.out.failed[1].param == "model");
  CHECK(*x.f.b.generating == 0);
}

TEST_CASE("a generation that is given up is cancelled there", "[link]") {
  generating_nodes x;
  x.ask(1);
  caf::anon_send<caf::message_priority::high>(x.f.a.llm_route, context{}, atom::cancel_v, x.client,
                                              uint64_t{1});
  x.f.run();
  CHECK(x.model.cancelled == x.model.numbers);
  CHECK(*x.f.b.generating == 0);
  x.complete(0, "too late");
  CHECK(x.out.completed.empty());
}

TEST_CASE("a link lost in the middle: what was begun fails, the rest is asked for again",
          "[link]") {
  generating_nodes x;
  x.ask(1);
  x.ask(2);
  x.token(0, "Once");
  x.f.connection->cut();
  x.f.run();
  CHECK(x.model.cancelled.size() == 2);
  CHECK(*x.f.b.generating == 0);
  CHECK(x.out.failed.at(1).code == ec::unavailable);
  CHECK(x.out.failed.size() == 1);
  x.f.pass(1s);
  REQUIRE(x.model.asked.size() == 3);
  x.complete(2, "whole");
  CHECK(x.out.completed.at(2).text == "whole");
}

TEST_CASE("a node without models says so, and is not asked for ever", "[link]") {
  generating_nodes x;
  x.f.b.models = llm_actor{};
  x.ask(1);
  x.f.pass(link_options{}.hold + 1s);
  CHECK(x.out.failed.at(1).code == ec::unavailable);
  CHECK_THAT(x.out.failed[1].message, Catch::Contains("has not the role llm"));
}

TEST_CASE("a generation that waits for the window goes when there is credit", "[link]") {
  link_options with;
  with.window = 1;
  generating_nodes x{1, with};
  x.f.connection->stopped = true;
  x.ask(1);
  x.ask(2);
  CHECK(x.model.asked.empty());
  x.f.connection->go_on();
  x.f.run();
  CHECK(x.model.asked.size() == 2);
}

TEST_CASE("a generation whose time is over is cancelled at the other node", "[link]") {
  generating_nodes x;
  generation ask;
  ask.deployments = {"one"};
  caf::anon_send(x.f.a.llm_route, x.f.flow(priority::normal, 1s), atom::generate_v, x.client,
                 uint64_t{1}, ask);
  x.f.run();
  REQUIRE(x.model.numbers.size() == 1);
  for (int i = 0; i < 3; ++i)
    x.f.pass(1s);
  CHECK(x.out.failed.at(1).code == ec::timeout);
  CHECK(x.model.cancelled == x.model.numbers);
  CHECK(*x.f.b.generating == 0);
}
