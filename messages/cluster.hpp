#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "messages/atoms.hpp"
#include "messages/context.hpp"
#include "messages/error.hpp"

/// What the nodes of a cluster know of each other, and MEMBERSHIP's protocol.
namespace sotto {

namespace atom {

using changed = caf::atom_constant<caf::atom("changed")>;
inline constexpr changed changed_v{};
using flushed = caf::atom_constant<caf::atom("flushed")>;
inline constexpr flushed flushed_v{};
using leave = caf::atom_constant<caf::atom("leave")>;
inline constexpr leave leave_v{};
using members = caf::atom_constant<caf::atom("members")>;
inline constexpr members members_v{};
using measured = caf::atom_constant<caf::atom("measured")>;
inline constexpr measured measured_v{};
using ownership = caf::atom_constant<caf::atom("ownership")>;
inline constexpr ownership ownership_v{};
using rebalance = caf::atom_constant<caf::atom("rebalance")>;
inline constexpr rebalance rebalance_v{};
using suspect = caf::atom_constant<caf::atom("suspect")>;
inline constexpr suspect suspect_v{};

} // namespace atom

/// A run of a node that is over, as the database noted it.
struct cluster_departure {
  std::string name, incarnation;
  /// `died` (its watcher told of it), `left` (it was told to end) or `lease lost`.
  std::string why;
  /// Microseconds since 1970, by the database's clock.
  int64_t at = 0;
};

/// Work of one partition: the share of one core's time that it takes.
struct partition_load {
  uint32_t partition = 0;
  double busy = 0;
};

/// Work of a node, smoothed over some seconds: cores' time spent on all its partitions, and those
/// that take most of it. What the others take is thought of as even.
struct cluster_load {
  double busy = 0;
  std::vector<partition_load> hottest;
};

/// A node as it says of itself.
struct cluster_node {
  /// Unique within the cluster; kept across restarts.
  std::string name;
  /// UUID of this run of the process.
  std::string incarnation;
  /// URL for frontends, and HOST:PORT of the link and of the port for frontends in C++ (empty: it
  /// has none).
  std::string http, link, native;
  /// Of `gateway`, `worker`, `llm`.
  std::vector<std::string> roles;
  /// Share of the partitions in proportion to other nodes'.
  double capacity = 1;
  std::string version;
  /// Of the messages between nodes; neighbouring figures work together.
  uint32_t protocol = 0;
};

/// A node as the cluster sees it.
struct cluster_member : cluster_node {
  /// Its lease runs, by the database's clock.
  bool live = false;
  /// Gives its partitions away and takes no new ones.
  bool draining = false;
  /// Nanoseconds until its lease ends unless it is renewed; 0 where it is not live.
  int64_t lease_left = 0;
  cluster_load load;
};

/// Where a partition is served.
struct ownership {
  enum class state : uint8_t {
    /// By nobody: it will be claimed.
    unowned,
    /// By this node, under `epoch`.
    owned,
    /// By this node until it has answered `flushed`: no new turns, end those that run, write.
    releasing,
    /// By `node`.
    elsewhere,
    /// No more by this node, at once: others may claim it any moment; nothing can be written.
    lost,
  };
  uint32_t partition = 0;
  state is = state::unowned;
  uint64_t epoch = 0;
  std::string node;

  friend bool operator==(const ownership&, const ownership&) = default;
};

/// How far a node's drain is.
struct drain_progress {
  std::string node;
  bool draining = false;
  /// Partitions it still owns.
  uint32_t left = 0;
  /// Why it does not get on; empty where it does.
  std::string why;
};

/// A partition as the operator sees it.
struct partition_place {
  uint32_t partition = 0;
  /// Empty: unowned. `owner_live` is false while the lease of a dead owner runs out.
  std::string node;
  bool owner_live = false;
  uint64_t epoch = 0;
  /// The node it is on its way to; empty: none.
  std::string wanted;
};

/// Everything MEMBERSHIP knows, as of its last look into the database.
struct cluster_view {
  std::string node;
  std::vector<cluster_member> members;
  std::vector<partition_place> partitions;
  /// Nanoseconds since that look.
  int64_t age = 0;
  /// Of the last day, at most 20, the latest first.
  std::vector<cluster_departure> departures;
};

/// CLUSTER CLIENT: is told by MEMBERSHIP who serves what. All control.
using cluster_client_actor = caf::typed_actor<
    // What has changed; at the start all partitions. `releasing` is to be answered by `flushed`.
    caf::reacts_to<context, atom::ownership, std::vector<ownership>>,
    // All nodes, live or not, when anything but their loads has changed.
    caf::reacts_to<context, atom::members, std::vector<cluster_member>>>;

/// MEMBERSHIP: this node's part in the cluster. Detached: it waits for the database. All control.
using membership_actor = caf::typed_actor<
    // From CLUSTER CLIENT: the partition that was told `releasing` under this epoch is drained and
    // everything acknowledged is durable; nothing will be written any more.
    caf::reacts_to<context, atom::flushed, uint32_t, uint64_t>,
    // The link to a node is down: a reason to look at once, and never more.
    caf::reacts_to<context, atom::suspect, std::string>,
    // What this node's partitions cost.
    caf::reacts_to<context, atom::measured, cluster_load>,
    // Makes a node (empty: this one) give its partitions away; again: how far it is.
    caf::replies_to<context, atom::drain, std::string>::with<drain_progress>,
    // Takes a drain back.
    caf::replies_to<context, atom::resumed, std::string>::with<drain_progress>,
    // Does not wait for the pauses between moves until the shares are even.
    caf::replies_to<context, atom::rebalance>::with<cluster_view>,
    caf::replies_to<context, atom::list>::with<cluster_view>,
    // Gives up everything that is left at once and leaves; the node's work must be over.
    caf::replies_to<context, atom::leave>::with<atom::drained>,
    // The store says that something has changed; own timer.
    caf::reacts_to<context, atom::changed>, caf::reacts_to<context, atom::tick>>;

/// DEATH WATCH: keeps a child process that gives up this node's place in the cluster as soon as the
/// node's own process is dead. All control.
using death_watch_actor = caf::typed_actor<
    // Of the child: it has ended, and how.
    caf::reacts_to<context, atom::ended, std::string>,
    // Own timer: starts another one.
    caf::reacts_to<context, atom::tick>>;

} // namespace sotto

// Stay within the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::cluster_load)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::ownership>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::cluster_member>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::drain_progress)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::cluster_view)
