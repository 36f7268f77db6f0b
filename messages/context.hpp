#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <caf/meta/type_name.hpp>

namespace sotto {

/// The five levels of work, most important first. Work carries its level in its context.
enum class priority : uint8_t { critical, high, normal, low, background };

inline constexpr size_t priority_levels = 5;

std::string_view to_string(priority level);

/// Reads `critical`, `high`, `normal`, `low` or `background`; nothing for any other text.
std::optional<priority> priority_from(std::string_view name);

/// The first element of every message between our actors, as Go's `ctx`: which flow the message
/// belongs to, how urgent it is and when it is too late. Ids follow W3C Trace Context.
struct context {
  /// 128-bit trace id, high and low half; both zero only outside any flow.
  uint64_t trace_hi = 0;
  uint64_t trace_lo = 0;
  /// The work this message causes, and the work that caused it.
  uint64_t span = 0;
  uint64_t parent = 0;
  /// Lamport clock of the sender.
  uint64_t clock = 0;
  /// Nanoseconds of the node's monotonic actor clock; 0 means no deadline. A deadline crosses
  /// nodes as the time that is left, never as this figure.
  int64_t deadline = 0;
  priority level = priority::normal;
  /// Keep the flow's records whole whatever the sampling says.
  bool sampled = false;

  bool late(int64_t now) const { return deadline != 0 && now > deadline; }
};

/// The trace id as 32 lower-case hex digits.
std::string trace_id(const context& ctx);

/// Reads a W3C `traceparent` header into trace, parent and sampled; nothing if malformed.
std::optional<context> context_from_traceparent(std::string_view header);

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, context& x) {
  return f(caf::meta::type_name("context"), x.trace_hi, x.trace_lo, x.span, x.parent, x.clock,
           x.deadline, x.level, x.sampled);
}

} // namespace sotto
