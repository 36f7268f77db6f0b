#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// When partitions move between live nodes.
struct rebalance_options {
  /// Partitions that may be on their way at a time in the whole cluster, and begin to move within
  /// `interval`.
  uint32_t max_moves = 32;
  caf::timespan interval = std::chrono::milliseconds{500};
  /// Partitions that a draining node gives away at a time.
  uint32_t drain_moves = 32;
  /// A node this much busier than the mean, for its capacity, gives its hot partitions away ...
  double hot_above = 0.3;
  /// ... if it uses at least this share of a core for each unit of capacity ...
  double hot_floor = 0.5;
  /// ... one at a time, with this pause to see what came of it.
  caf::timespan settle = std::chrono::seconds{20};
};

/// A node's place in a cluster.
struct cluster_options {
  /// Name of this node, unique in the cluster and kept across restarts. Empty: no cluster.
  std::string name;
  /// `worker` owns partitions, `gateway` serves frontends, `llm` calls models. Where one is left
  /// out, other nodes do it for this one.
  std::vector<std::string> roles{"gateway", "worker", "llm"};
  /// Share of the partitions in proportion to other nodes'.
  double capacity = 1;
  /// Where frontends reach this node; empty: as the gateway's address says.
  std::string http;
  /// How often the lease is renewed.
  caf::timespan heartbeat = std::chrono::milliseconds{500};
  /// How long after its last heartbeat a node's partitions may be claimed by others.
  caf::timespan lease = std::chrono::seconds{3};
  /// A node stops serving this long before its lease ends. No call of the database takes longer: a
  /// quarter of it for connecting, half for an answer.
  caf::timespan margin = std::chrono::seconds{1};
  /// Longest time between asking for a partition to be drained and releasing it all the same.
  caf::timespan release_timeout = std::chrono::seconds{20};
  rebalance_options rebalance;
  /// A child process gives up the node's place at once when the node's process has died.
  bool watcher = true;
};

/// Whether the node has the role. A node alone has all of them.
bool has_role(const cluster_options& x, std::string_view role);

/// What is wrong with them; empty: nothing.
std::string check(const cluster_options& x);

} // namespace sotto
