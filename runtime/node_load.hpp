#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

#include "messages/context.hpp"

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

/// How loaded a node is. Written by ADMISSION, read by whoever can spare it work; all members may
/// be read from any thread.
struct node_load {
  static constexpr auto no_limit = std::numeric_limits<uint32_t>::max();

  node_load() {
    for (auto& x : room)
      x = no_limit;
  }

  /// Whether a turn of this level would wait for too long.
  bool refuses(priority level) const {
    auto i = static_cast<size_t>(level);
    return ahead[i].load(std::memory_order_relaxed) >= room[i].load(std::memory_order_relaxed);
  }

  std::atomic<overload_step> step{overload_step::normal};
  /// Waiting turns of a level and of those above it, and from how many on the level is refused.
  std::array<std::atomic<uint32_t>, priority_levels> ahead{};
  std::array<std::atomic<uint32_t>, priority_levels> room{};
  /// Seconds until those who were refused could be served.
  std::atomic<uint32_t> retry_after{1};
  /// Turns refused by sockets since the start.
  std::atomic<uint64_t> refused_early{0};
};

} // namespace sotto
