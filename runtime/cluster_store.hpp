#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <caf/expected.hpp>
#include <caf/timespan.hpp>

#include "messages/cluster.hpp"

namespace sotto {

/// What makes a cluster one: all must agree.
struct cluster_identity {
  uint32_t partitions = 256;
  /// Fingerprint of the CA that the nodes trust.
  std::string ca;
};

/// A partition's row.
struct partition_row {
  uint32_t number = 0;
  /// Owner; empty: none.
  std::string node, incarnation;
  uint64_t epoch = 0;
  std::string wanted;
  /// Nanoseconds since the row was changed.
  int64_t age = 0;
};

/// A partition under an epoch: of a claim the one it was seen with, of an answer the new one.
struct partition_epoch {
  uint32_t number = 0;
  uint64_t epoch = 0;
  friend bool operator==(const partition_epoch&, const partition_epoch&) = default;
};

struct cluster_look {
  std::vector<cluster_member> members;
  /// Those that may have changed since the look before; at the first look all.
  std::vector<partition_row> partitions;
  /// Of the last day, at most 20, the latest first: also of nodes that are back since.
  std::vector<cluster_departure> departures;
  /// The rows of `renew` were there; else this node has been removed or replaced.
  bool known = false;
};

struct join_outcome {
  /// Nanoseconds that an earlier run of this node still has its lease; 0: joined.
  int64_t wait = 0;
  /// Incarnation and link of that run.
  std::string holder, where;
};

/// The place of truth about members and ownership. Leases count by its clock alone: a node is live
/// as long as its lease after its last heartbeat. Used by one thread at a time. Every call blocks
/// for a bounded time and fails with `ec::unavailable`, when it is not known what was done, or
/// `ec::storage_failed`.
class cluster_store {
public:
  virtual ~cluster_store() = default;

  /// Enters the node and renews its lease. Fails with `ec::invalid` where the cluster is another
  /// one or speaks another protocol. May be repeated.
  virtual caf::expected<join_outcome> join(const cluster_identity& cluster,
                                           const cluster_node& self, caf::timespan lease) = 0;

  /// With `renew`, also a heartbeat: the node's lease begins anew if its row is still there.
  virtual caf::expected<cluster_look> look(bool renew, const cluster_load& load) = 0;

  /// Makes the node owner of those partitions that still have the given epoch, and whose owner is
  /// nobody, this node or a node whose lease has ended. Each gets the next epoch, which is
  /// returned. A node that is not live or is draining gets none.
  virtual caf::expected<std::vector<partition_epoch>>
  claim(std::span<const partition_epoch> partitions) = 0;

  /// Asks the owners to hand over; those that still have the given epoch and are not asked for by
  /// another live node.
  virtual failure want(std::span<const partition_epoch> partitions) = 0;

  /// Gives partitions of this node up; those it does not own under the given epoch are left alone.
  virtual failure release(std::span<const partition_epoch> partitions) = 0;

  /// Marks any node as draining or as up again; `ec::not_found` where there is none of that name.
  virtual failure drain(const std::string& node, bool on) = 0;

  /// Gives up all partitions of this node and removes it.
  virtual failure leave() = 0;

  /// `told` is called, from any thread, when others have changed something, within milliseconds
  /// where the connection stands; set it before `join`.
  virtual void on_change(std::function<void()> told) = 0;
};

} // namespace sotto
