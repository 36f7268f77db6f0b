#include "actors/links.hpp"

#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// A MEMBERSHIP that keeps what it is told.
membership_actor::behavior_type suspicious(membership_actor::pointer,
                                           std::shared_ptr<std::vector<std::string>> told) {
  return {
      [](const context&, atom::flushed, uint32_t, uint64_t) {},
      [=](const context&, atom::suspect, const std::string& node) { told->push_back(node); },
      [](const context&, atom::measured, const cluster_load&) {},
      [](const context&, atom::drain, const std::string&) { return drain_progress{}; },
      [](const context&, atom::resumed, const std::string&) { return drain_progress{}; },
      [](const context&, atom::rebalance) { return cluster_view{}; },
      [](const context&, atom::list) { return cluster_view{}; },
      [](const context&, atom::leave) { return atom::drained_v; },
      [](const context&, atom::changed) {},
      [](const context&, atom::tick) {},
  };
}

} // namespace

TEST_CASE("MEMBERSHIP is told of peers whose links are lost, and of no others", "[link]") {
  link_fixture f;
  auto suspects = std::make_shared<std::vector<std::string>>();
  auto told = f.spawn(suspicious, suspects);
  caf::anon_send<caf::message_priority::high>(f.a.links, context{}, atom::suspect_v, told);
  f.connection->refuses = true;
  f.meet();
  f.pass(1s);
  CHECK(suspects->empty());
  f.connection->refuses = false;
  for (int i = 0; i < 20; ++i)
    f.pass(500ms);
  CHECK(suspects->empty());
  f.connection->refuses = true;
  f.connection->cut();
  f.run();
  CHECK(*suspects == std::vector<std::string>{"b"});
  for (int i = 0; i < 20; ++i)
    f.pass(500ms);
  CHECK(suspects->size() == 1);
}
