// A frontend's library as an actor.
#include "client/client_actor.hpp"

#include "test/nodes/native_node.hpp"

using namespace sotto;
using namespace sotto::test;

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
