#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <caf/timespan.hpp>

namespace sotto {

/// Between the nodes of a cluster.
struct link_options {
  /// HOST:PORT of the cluster port; port 0 takes a free one.
  std::string listen = "127.0.0.1:7800";
  /// PEM files: the node's certificate and its key, and the cluster's own authority.
  std::string certificate;
  std::string key;
  std::string ca;
  /// A peer that says nothing for `timeout` is lost; it says something every `heartbeat`.
  caf::timespan heartbeat = std::chrono::milliseconds{500};
  caf::timespan timeout = std::chrono::seconds{2};
  /// Frames, and bytes of them, that a peer may send before it gets credit for more.
  size_t window = 1024;
  size_t window_bytes = 4 << 20;
  /// What waits for the window of one peer; when full the newest of the lowest level is refused.
  size_t max_waiting = 16'384;
  size_t max_waiting_bytes = 64 << 20;
  /// Pieces of a reply are gathered for so long, or until they are so many.
  caf::timespan gather = std::chrono::milliseconds{5};
  size_t gather_pieces = 32;
  /// How long a connection may take to be made, and how long until it is tried again: doubled each
  /// time, from the first to the last.
  caf::timespan connect_timeout = std::chrono::seconds{1};
  caf::timespan retry_first = std::chrono::milliseconds{100};
  caf::timespan retry_last = std::chrono::seconds{1};
  /// What is for a partition that moves, or for a peer that is not reached, is held for so long,
  /// and (of all partitions together) so much of it.
  caf::timespan hold = std::chrono::seconds{10};
  size_t max_held = 16'384;
  size_t max_held_bytes = 64 << 20;
  /// A partition whose owner did not know it yet is tried again after this.
  caf::timespan hold_retry = std::chrono::milliseconds{100};
  /// Calls without a deadline fail after this.
  caf::timespan call_timeout = std::chrono::seconds{120};
};

} // namespace sotto
