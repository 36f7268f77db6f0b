#pragma once

#include <memory>
#include <string>

#include <caf/expected.hpp>

#include "config/options.hpp"

namespace sotto {

/// A node under way.
class node {
public:
  /// Opens the store, starts all actors and then the gateway. Fails with what was wrong and what
  /// would be right; nothing runs then.
  static caf::expected<std::unique_ptr<node>> start(const options& with);

  virtual ~node() = default;

  /// HOST:PORT of the gateway.
  virtual std::string address() const = 0;

  /// Refuses new turns, waits for the running ones (at most `node.drain_timeout`), flushes the
  /// store and stops everything. Returns whether all turns ended in time.
  virtual bool drain() = 0;
};

/// `sotto node`: runs a node until SIGTERM or SIGINT, then drains it. A second signal ends the
/// process at once. Returns the exit code.
int run_node(const options& with);

} // namespace sotto
