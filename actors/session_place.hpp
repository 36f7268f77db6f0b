#pragma once

#include <atomic>
#include <limits>
#include <memory>

#include "actors/prompt.hpp"
#include "messages/memory.hpp"

namespace sotto {

/// The end of a conversation as a session holds it.
struct conversation_context {
  /// Oldest first.
  std::vector<spoken_line> lines;
  summary_record before;
  /// Of the oldest lines (`conversation_end::as_of`).
  uint64_t as_of = 0;

  /// Memory held, roughly.
  size_t bytes() const;
};

/// Which conversation a session holds.
struct session_key {
  owner_key owner;
  std::string conversation;
  friend bool operator==(const session_key&, const session_key&) = default;
};

/// What PARTITION and one of its sessions share without a message.
struct session_place {
  static constexpr auto always = std::numeric_limits<int64_t>::max();

  explicit session_place(session_key of) : key(std::move(of)) {}

  /// Kept once for both.
  const session_key key;
  /// Memory that the session holds, roughly.
  std::atomic<uint32_t> bytes{0};
  /// It is not asked to end before this time (nanoseconds of the actor clock): a turn is under way
  /// (`always`), or somebody listens.
  std::atomic<int64_t> busy_until{0};
  /// What the session begins with and what it leaves; PARTITION touches it only before the session
  /// was started and after it ended.
  std::unique_ptr<conversation_context> context;
};

} // namespace sotto
