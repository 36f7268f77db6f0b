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
  /// On whose behalf, by `tenant_number`; 0: the node's own work. What is kept or shared by what
  /// was asked is kept a tenant apart, so that none can time what another asks.
  uint64_t tenant = 0;
  priority level = priority::normal;
  /// Keep the flow's records whole whatever the sampling says.
  bool sampled = false;

  /// Makes the flow part of a trace that was begun elsewhere.
  void join(const context& given) {
    trace_hi = given.trace_hi;
    trace_lo = given.trace_lo;
    parent = given.parent;
    sampled = given.sampled;
  }

  bool late(int64_t now) const { return deadline != 0 && now > deadline; }
};

/// A tenant's number: never 0, and the same on every node and in every release.
uint64_t tenant_number(std::string_view name);

/// The trace id as 32 lower-case hex digits.
std::string trace_id(const context& ctx);

/// Reads a W3C `traceparent` header into trace, parent and sampled; nothing if malformed.
std::optional<context> context_from_traceparent(std::string_view header);

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, context& x) {
  return f(caf::meta::type_name("context"), x.trace_hi, x.trace_lo, x.span, x.parent, x.clock,
           x.deadline, x.tenant, x.level, x.sampled);
}

} // namespace sotto
