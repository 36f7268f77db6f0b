#pragma once

#include <cstddef>
#include <cstdint>

#include "messages/context.hpp"
#include "runtime/priority_queue.hpp"

namespace sotto {

/// Who waits for a turn: unique among those that wait.
struct turn_name {
  uint64_t client = 0;
  uint64_t ticket = 0;
  friend bool operator==(const turn_name&, const turn_name&) = default;
};

struct turn_name_hash {
  size_t operator()(const turn_name& x) const {
    return x.client * 0x9e3779b97f4a7c15ULL ^ x.ticket;
  }
};

/// What a turn is, for the queue.
struct turn_class {
  turn_name name;
  /// Hash of the conversation's name. Two of one tenant that fall together wait for each other, no
  /// more; those of two tenants never do.
  uint64_t conversation = 0;
  priority level = priority::normal;
  /// `context::tenant`.
  uint64_t tenant = 0;
  /// Hash of the idempotency key; 0: none.
  uint64_t key = 0;
  /// Nanoseconds; 0: none.
  int64_t deadline = 0;
};

struct admission_limits {
  size_t running = 128;
  /// Turns that wait for their conversation's turn, in all and in one conversation.
  size_t following = 4096;
  size_t following_one = 16;
  /// A turn that runs for longer counts as lost (nanoseconds).
  int64_t longest = 120'000'000'000;
  queue_limits queue;
};

} // namespace sotto
