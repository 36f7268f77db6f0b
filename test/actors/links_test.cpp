#include "actors/links.hpp"

#include "test/actors/fake_membership.hpp"
#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("MEMBERSHIP is told of peers whose links are lost, and of no others", "[link]") {
  link_fixture f;
  auto world = std::make_shared<membership_world>();
  auto told = f.spawn(fake_membership, world);
  caf::anon_send<caf::message_priority::high>(f.a.links, context{}, atom::suspect_v, told);
  f.connection->refuses = true;
  f.meet();
  f.pass(1s);
  CHECK(world->suspects.empty());
  f.connection->refuses = false;
  for (int i = 0; i < 20; ++i)
    f.pass(500ms);
  CHECK(world->suspects.empty());
  f.connection->refuses = true;
  f.connection->cut();
  f.run();
  CHECK(world->suspects == std::vector<std::string>{"b"});
  for (int i = 0; i < 20; ++i)
    f.pass(500ms);
  CHECK(world->suspects.size() == 1);
}
