#pragma once

#include <cstddef>
#include <cstdint>

#include <caf/timespan.hpp>

namespace sotto {

/// How SESSION runs turns.
struct session_options {
  /// Longest time from the arrival of a turn to its reply, unless the client asks for less.
  caf::timespan turn_timeout = std::chrono::seconds{60};
  /// Longest waits for the helpers of a turn; what is later is left out and named in `degraded`.
  caf::timespan emotion_timeout = std::chrono::milliseconds{250};
  caf::timespan recall_timeout = std::chrono::milliseconds{500};
  caf::timespan topics_timeout = std::chrono::milliseconds{250};
  /// Longest wait for a turn's lines to become durable.
  caf::timespan store_timeout = std::chrono::seconds{10};
  /// Memories given to the model, at most.
  uint32_t recalled = 5;
  /// Recent lines of the conversation given to the model, at most.
  uint32_t context_lines = 20;
  /// Rough tokens (four bytes each) of recent lines given to the model, at most.
  size_t context_tokens = 3000;
  /// When so many lines have left the window above, they are told in short, in a summary of at most
  /// so many bytes that is given to the model instead; 0 lines: never.
  uint32_t summary_lines = 20;
  size_t summary_bytes = 1200;
  /// Longest wait for the model that is asked for a summary.
  caf::timespan summary_timeout = std::chrono::seconds{60};
  /// A session without turns for this long is passivated.
  caf::timespan idle_timeout = std::chrono::minutes{10};
  /// Turns that may wait in one session; more are refused with 429.
  size_t max_waiting = 16;
  /// Sessions in memory at most; 0: as many as the memory below holds.
  uint64_t max_live = 0;
  /// Memory of sessions and of loaded owners (bytes); 0 means half of what admission allows the
  /// process. Before either is reached the sessions of least value are passivated; where none can
  /// be, new conversations are refused.
  uint64_t max_memory = 0;
  /// How long the end of a conversation is kept when its session has left, and how many bytes of
  /// all: the session comes back with it instead of reading it from the store. 0: not at all.
  caf::timespan keep_context = std::chrono::minutes{10};
  uint64_t max_kept = 64 << 20;
};

} // namespace sotto
