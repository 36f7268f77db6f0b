#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "config/options.hpp"
#include "messages/events.hpp"
#include "messages/frontend.hpp"
#include "nodes/call_window.hpp"

namespace sotto {

/// Why a node closes a WebSocket; PROTOCOL.md lists them. Those below 4000 are RFC 6455's.
namespace socket_code {
inline constexpr uint16_t going_away = 1001;
inline constexpr uint16_t slow_reader = 4001;
inline constexpr uint16_t flow_control = 4002;
} // namespace socket_code

/// Most token frames that a frontend can let itself be sent at a time.
inline constexpr int64_t most_pieces = 1'000'000'000;

/// A call of a WebSocket that has not been answered.
struct socket_call {
  context ctx;
  frontend_call call;
  std::string trace;
  /// Size of its frame.
  size_t bytes = 0;
};

/// A conversation.
struct event_place {
  owner_key owner;
  std::string conversation;
  friend bool operator==(const event_place&, const event_place&) = default;
};

struct event_place_hash {
  size_t operator()(const event_place& x) const {
    return std::hash<owner_key>{}(x.owner) * 31 + std::hash<std::string>{}(x.conversation);
  }
};

/// A conversation whose events the frontend wants.
struct event_wish {
  owner_key owner;
  std::string conversation;
  std::string persona;
  uint8_t kinds = 0;
  /// Of the call that asked for them.
  nlohmann::json id;
};

/// What CONNECTION keeps of a WebSocket besides the turns that run.
struct socket_work {
  socket_work(frontend_format x, const gateway_options& limits)
      : format(x), calls({limits.max_in_flight, limits.max_calls}) {}

  frontend_format format;
  call_window<socket_call> calls;
  /// Waiting calls are being started.
  bool starting = false;
  /// Asked to close: what comes is not looked at any more.
  bool closing = false;
  /// At most `gateway.max_subscriptions`.
  std::unordered_map<event_place, event_wish, event_place_hash> wishes;
  /// For every conversation that this socket speaks in.
  std::optional<event_wish> everyone;
  /// A timer is set that renews the leases.
  bool renewing = false;
};

} // namespace sotto
