#include "nodes/node_frame.hpp"

#include <cstdlib>

#include <spdlog/spdlog.h>

namespace sotto {

void node_frame::end_process(const char* name, const caf::error& why) {
  spdlog::critical("node ends at once: its {} ended ({})", name, to_string(why));
  spdlog::shutdown();
  std::_Exit(1);
}

} // namespace sotto
