#pragma once

#include <cstddef>
#include <cstdint>

#include <caf/timespan.hpp>

namespace sotto {

/// How many turns run at once, and what is done when more come than the node can serve.
struct admission_options {
  /// Turns that run at the same time, without those that wait for a provider; 0 means 64 a worker
  /// thread.
  uint32_t max_running = 0;
  /// Turns that wait to run at most; more are refused with 429, the newest of the lowest level
  /// first.
  size_t max_waiting = 4096;
  /// A turn that has waited this long is served out of its level's turn now and then.
  caf::timespan overdue_after = std::chrono::seconds{1};
  /// The wait from which on the node counts as overloaded, and turns are made cheaper step by step.
  caf::timespan target_wait = std::chrono::milliseconds{200};
  /// Memory of the process above which turns are refused (bytes); 0 means three quarters of the
  /// machine's.
  uint64_t max_memory = 0;
  /// Memories given to the model from the first step of overload on.
  uint32_t fewer_memories = 2;
  /// Let the builtin responder answer in place of models before turns are refused.
  bool allow_builtin = false;
  /// How long the answer to a refused request is held back where many are refused, so that clients
  /// which ask again at once do not take the time of those that are served.
  caf::timespan hold_refusals = std::chrono::seconds{1};
};

} // namespace sotto
