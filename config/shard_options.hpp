#pragma once

#include <cstddef>

#include <caf/timespan.hpp>

namespace sotto {

/// How MEMORY SHARD holds its owners' memories.
struct shard_options {
  /// Memory of loaded owners in one shard (bytes); past it the least recently used are evicted.
  size_t max_bytes = 16 << 20;
  /// Requests that may wait for one owner to be loaded.
  size_t max_waiting = 256;
  /// Longest wait for an owner to be loaded.
  caf::timespan load_timeout = std::chrono::seconds{10};
  /// Longest wait for a write to become durable.
  caf::timespan write_timeout = std::chrono::seconds{10};
  /// How long the reply to a turn with an idempotency key can be had again, and for how many turns
  /// of one owner, the latest.
  caf::timespan keep_turns = std::chrono::hours{24};
  size_t max_turns = 256;
};

} // namespace sotto
