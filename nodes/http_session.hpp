#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/options.hpp"
#include "messages/context.hpp"
#include "nodes/http_types.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

class refusal_gate;

/// The socket as CONNECTION sees it. All functions may be called from any thread; what is sent
/// after the socket closed is dropped.
class reply_channel {
public:
  virtual ~reply_channel() = default;

  /// Answers the request under way at once.
  virtual void respond(http_answer answer) = 0;

  /// Answers it piece by piece: a head (the body is not used), pieces, the end.
  virtual void begin(http_answer head) = 0;
  virtual void piece(std::string bytes) = 0;
  virtual void end() = 0;

  /// Sends a WebSocket frame.
  virtual void frame(std::string bytes) = 0;

  /// Closes a WebSocket with a status code (RFC 6455, 7.4) and a reason.
  virtual void close(uint16_t code, std::string reason) = 0;

  /// So many WebSocket frames and bytes of them do not wait in CONNECTION any more: the socket is
  /// read no further while too much does.
  virtual void taken(size_t frames, size_t bytes) = 0;

  /// Bytes of WebSocket frames that wait for the client to read them.
  virtual size_t unsent() const = 0;
};

/// What the socket tells CONNECTION. Called on the reactor's thread; must not block.
struct socket_events {
  std::function<void(http_call)> request;
  /// The client hung up while its request was under way, or the socket closed.
  std::function<void()> hung_up;
  std::function<void()> closed;
  /// Who speaks on the WebSocket that comes next.
  std::function<void(caller)> admitted;
  /// The socket became a WebSocket that speaks JSON (true) or msgpack; then its frames.
  std::function<void(bool)> upgraded;
  std::function<void(std::string)> frame;
  /// The node is ending: close the WebSocket when its calls are answered.
  std::function<void()> drain;
};

/// What makes CONNECTION for a new socket.
using socket_owner = std::function<socket_events(std::shared_ptr<reply_channel>)>;

} // namespace sotto
