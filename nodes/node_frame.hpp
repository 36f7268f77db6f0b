#pragma once

#include <functional>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>

#include "config/options.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// What the parts of a node that start actors are given. Lives as long as the node; `system` is set
/// before anything is started.
struct node_frame {
  node_frame(const options& with, reactor& sockets) : with(with), sockets(sockets) {}

  const options& with;
  reactor& sockets;
  caf::actor_system* system = nullptr;
  /// Ended with the node.
  std::vector<caf::strong_actor_ptr> owned;

  template <class T>
  T keep(T handle) {
    owned.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  /// The same for what the node cannot do without and nobody starts anew: where it ends before it
  /// is told to, `lost` is called. `name`: a string literal.
  template <class T>
  T keep_vital(T handle, const char* name) {
    handle->attach_functor([lost = lost, name](const caf::error& why) {
      if (why != caf::exit_reason::user_shutdown)
        lost(name, why);
    });
    return keep(std::move(handle));
  }

  /// Ends the process at once: whoever runs it starts it again.
  std::function<void(const char* name, const caf::error& why)> lost = end_process;

private:
  [[noreturn]] static void end_process(const char* name, const caf::error& why);
};

} // namespace sotto
