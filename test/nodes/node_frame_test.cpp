#include "nodes/node_frame.hpp"

#include "test/fixture.hpp"

using namespace sotto;

namespace {

caf::behavior idle(caf::event_based_actor*) {
  return {[](int) {}};
}

} // namespace

TEST_CASE("what a node cannot do without may end with the node, not before") {
  test::frozen_system x;
  options with;
  reactor sockets;
  node_frame frame{with, sockets};
  std::vector<std::string> lost;
  frame.lost = [&](const char* name, const caf::error&) { lost.emplace_back(name); };
  auto told = frame.keep_vital(x.spawn(idle), "told");
  auto fails = frame.keep_vital(x.spawn(idle), "fails");
  caf::anon_send_exit(told, caf::exit_reason::user_shutdown);
  x.run();
  CHECK(lost.empty());
  caf::anon_send_exit(fails, caf::exit_reason::unhandled_exception);
  x.run();
  CHECK(lost == std::vector<std::string>{"fails"});
  CHECK(frame.owned.size() == 2);
}
