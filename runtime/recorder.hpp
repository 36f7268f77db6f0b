#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "messages/context.hpp"

namespace sotto {

/// How a message ended.
enum class outcome : uint8_t { served, refused, late, failed };

/// One message as its receiver saw it. Times are nanoseconds of the actor clock.
struct message_record {
  context ctx;
  /// CAF actor ids; 0 for a sender that is not an actor.
  uint64_t sender = 0;
  uint64_t receiver = 0;
  /// The receiver's type; a string literal.
  const char* receiver_type = "";
  /// The message's verb as an atom's value.
  uint64_t verb = 0;
  /// 0 for control messages, which do not wait in the five levels.
  int64_t enqueued = 0;
  int64_t started = 0;
  int64_t ended = 0;
  /// Messages waiting behind this one when it was taken.
  uint32_t waiting = 0;
  outcome ended_as = outcome::served;
  /// What befell the flow here, as a string literal: `overload:` and the step that left something
  /// out or refused. Empty for a message. A note has no sender and takes no time.
  const char* note = "";
};

/// Keeps the node's latest messages in a ring of fixed size. Any thread may record and read; no
/// operation waits for another. A slot that is overwritten while it is read is left out.
class recorder {
public:
  /// `capacity` is rounded up to a power of two; about 150 bytes each.
  explicit recorder(size_t capacity);

  void record(const message_record& x);

  /// Records what befell a flow at `now`; both texts are string literals.
  void note(const context& ctx, uint64_t receiver, const char* receiver_type, const char* what,
            int64_t now, outcome ended_as = outcome::served);

  /// The kept records of one trace, or of all where both halves are zero, oldest first.
  std::vector<message_record> find(uint64_t trace_hi, uint64_t trace_lo) const;

  uint64_t recorded() const { return next_.load(std::memory_order_relaxed); }

private:
  static constexpr size_t words = (sizeof(message_record) + 7) / 8;

  // A sequence lock per slot (Boehm, MSPC 2012): odd while written; the payload is relaxed atomic
  // words, so that a torn read is detected and never undefined.
  struct slot {
    std::atomic<uint64_t> version{0};
    std::array<std::atomic<uint64_t>, words> payload{};
  };

  bool read(const slot& from, message_record& to) const;

  size_t mask_;
  std::unique_ptr<slot[]> slots_;
  std::atomic<uint64_t> next_{0};
};

} // namespace sotto
