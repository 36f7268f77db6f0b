// A frontend's library as an actor.
#include "client/client_actor.hpp"

#include "test/nodes/native_node.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

/// A client of turns that counts who wants to be told of its end.
class watched_client : public turn_client_actor::base {
public:
  watched_client(caf::actor_config& cfg, std::shared_ptr<std::atomic<int>> watchers)
      : turn_client_actor::base(cfg), watchers_(std::move(watchers)) {}

  behavior_type make_behavior() override {
    return listening_client(turn_client_actor::pointer{}, std::make_shared<heard>());
  }

  void attach(caf::attachable_ptr x) override {
    ++*watchers_;
    turn_client_actor::base::attach(std::move(x));
  }

private:
  std::shared_ptr<std::atomic<int>> watchers_;
};

} // namespace

TEST_CASE("CLIENT is spoken to as PARTITION is", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<client> through = open(bot(files, {node.address()}));
  auto actor = spawn_client(system, through);
  caf::scoped_actor self{system};
  memory_query query;
  query.owner = user("ada");
  query.text = "boats";
  self->request(actor, 20s, context{}, atom::recall_v, query)
      .receive([](const std::vector<recalled>& x) { CHECK(x.at(0).what.text == "default:boats"); },
               [](const caf::error& err) { FAIL(to_failure(err).message); });
  query.text.clear();
  self->request(actor, 20s, context{}, atom::recall_v, query)
      .receive([](const std::vector<recalled>&) { FAIL("it was wrong"); },
               [](const caf::error& err) { CHECK(to_failure(err).code == ec::invalid); });
  auto to = std::make_shared<heard>();
  auto listener = system.spawn(listening_client, to);
  auto ask = turn();
  ask.stream = true;
  caf::anon_send(actor, context{}, atom::say_v, turn_client_actor{listener}, uint64_t{5}, ask);
  REQUIRE(comes([&] { return to->reply(5) == "Hello, world."; }));
  CHECK(to->streams[5] == "Hello, world.");
  caf::anon_send_exit(listener, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}

TEST_CASE("CLIENT asks once to be told of the end of who speaks through it, however much they say",
          "[native]") {
  certificate_folder files;
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto actor = spawn_client(system, open(bot(files, {"127.0.0.1:1"})));
  auto watchers = std::make_shared<std::atomic<int>>(0);
  auto speaker = caf::actor_cast<turn_client_actor>(system.spawn<watched_client>(watchers));
  for (uint64_t ticket = 1; ticket <= 5; ++ticket)
    caf::anon_send(actor, context{}, atom::say_v, speaker, ticket, turn());
  caf::scoped_actor self{system};
  self->request(actor, 20s, context{}, atom::forget_v, spoken_by{})
      .receive([](const spoken_receipt&) { FAIL("nodes alone may ask this"); },
               [](const caf::error& err) { CHECK(to_failure(err).code == ec::invalid); });
  CHECK(*watchers == 1);
  caf::anon_send_exit(speaker, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}
