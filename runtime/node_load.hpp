#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

#include "runtime/tenant_load.hpp"

namespace sotto {

/// What an overloaded node leaves out, from what is missed least to what is missed most. Each step
/// holds what those before it say.
enum class overload_step : uint8_t {
  normal,
  /// Fewer memories are recalled.
  fewer_memories,
  /// A turn uses the memories of the turn before instead of recalling.
  cached_context,
  /// No analyser is asked; the mood still is.
  no_analysers,
  /// The builtin responder answers in place of models.
  builtin_responder,
  /// Turns that would wait for too long are refused, the least important first.
  refuse,
};

inline constexpr size_t overload_steps = 6;

inline constexpr std::array<const char*, overload_steps> overload_step_names{
    "normal", "fewer_memories", "cached_context", "no_analysers", "builtin_responder", "refuse"};

inline const char* to_string(overload_step x) {
  return overload_step_names[static_cast<size_t>(x)];
}

inline constexpr std::array<const char*, overload_steps> degraded_names{
    "",
    "overload:fewer_memories",
    "overload:cached_context",
    "overload:no_analysers",
    "overload:builtin_responder",
    "overload:refuse"};

/// How replies and traces call what a step left out.
inline const char* degraded_name(overload_step x) {
  return degraded_names[static_cast<size_t>(x)];
}

/// How loaded a node is. Written by ADMISSION, read by whoever can spare it work; all members may
/// be read from any thread.
struct node_load {
  static constexpr auto no_limit = std::numeric_limits<uint32_t>::max();

  node_load() {
    for (auto& x : room)
      x = no_limit;
  }

  /// Whether a turn of this level and tenant would wait for too long, of those that share the node.
  /// Tenants with turns that wait have equal shares of the room: while there is too much in all,
  /// who fills their share is refused, and nobody else is. So who floods takes nothing from others,
  /// and what waits is at most twice the room.
  bool refuses(priority level, uint64_t tenant) const {
    auto i = static_cast<size_t>(level);
    auto most = room[i].load(std::memory_order_relaxed);
    if (ahead[i].load(std::memory_order_relaxed) < most)
      return false;
    return most == 0 || tenants.ahead(tenant, level) >= share(most);
  }

  /// A tenant's share of the room for a level.
  uint32_t share(uint32_t most) const {
    return std::max(most / std::max(tenants.active(), 1U), 1U);
  }

  std::atomic<overload_step> step{overload_step::normal};
  /// Waiting turns of a level and of those above it, and from how many on the level is refused.
  std::array<std::atomic<uint32_t>, priority_levels> ahead{};
  std::array<std::atomic<uint32_t>, priority_levels> room{};
  /// The same by tenant.
  tenant_load tenants;
  /// Seconds until those who were refused could be served.
  std::atomic<uint32_t> retry_after{1};
  /// Turns refused by sockets since the start.
  std::atomic<uint64_t> refused_early{0};
};

} // namespace sotto
