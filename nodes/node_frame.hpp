#pragma once

#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

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
};

} // namespace sotto
