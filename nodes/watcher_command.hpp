#pragma once

#include <string>

#include <caf/expected.hpp>

#include "config/options.hpp"
#include "runtime/child_process.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// What a watcher is told: whose death it waits for, and which place in which cluster is to be
/// given up then. It goes over the socket to the child, not into its command line, since the
/// database's URL may hold a password.
struct watch_order {
  int parent = 0;
  std::string node, incarnation;
  std::string url, schema;
  /// Longest time of one try, and of all: then the lease has ended anyhow. Nanoseconds.
  int64_t margin = 0, lease = 0;
};

std::string write_order(const watch_order& x);
caf::expected<watch_order> read_order(std::string_view text);

/// Starts `sotto watcher`.
caf::expected<std::shared_ptr<child_process>> start_watcher(reactor& io, child_events events);

/// `sotto watcher`: the child's side; started by a node, never by people. Waits until its parent is
/// dead, and gives up its place then. Returns the exit code.
int run_watcher();

} // namespace sotto
