#pragma once

#include <utility> // before any Asio header, see http_session_impl.hpp

#include <deque>

#include <boost/asio/steady_timer.hpp>

#include "nodes/http_session_impl.hpp"

namespace sotto {

/// One WebSocket of `/v1/actors`. Frames are read one at a time and handed to CONNECTION, and none
/// while `most_given` or `gateway.max_unread` bytes of them wait there. What is to be sent is
/// queued up to `gateway.max_unsent` bytes, then the socket is closed: the reader is too slow.
/// Pings go out when the socket is silent; no answer closes it.
class websocket_session final : public reply_channel,
                                public std::enable_shared_from_this<websocket_session> {
public:
  /// `place` counts the socket while it is open.
  websocket_session(client_stream stream, const gateway_options& limits,
                    std::shared_ptr<void> place, std::unique_ptr<body_room::part> room,
                    std::unique_ptr<body_room::part> unread);

  /// Accepts the upgrade with the first subprotocol that both sides know; refuses it with 400
  /// where there is none.
  void start(http::request<http::string_body> upgrade, socket_events events);

  void respond(http_answer) override {}
  void begin(http_answer) override {}
  void piece(std::string) override {}
  void end() override {}
  void frame(std::string bytes) override;
  void close(uint16_t code, std::string reason) override;
  void taken(size_t frames, size_t bytes) override;
  size_t unsent() const override { return unsent_bytes_; }

  /// Asks CONNECTION to close the socket when its calls are answered.
  void drain();

  /// Closes the socket at once; CONNECTION is told.
  void finish();

private:
  void refuse();
  void read();
  void got(error_code ec);
  bool has_room();
  void recount();
  void read_on();
  void resume();
  bool too_much_given() const;
  void write();
  void limit_closing();
  void shut(uint16_t code, const std::string& reason);

  /// Frames that may wait in CONNECTION's mailbox.
  static constexpr size_t most_given = 256;

  /// Without permessage-deflate: PROTOCOL.md says why.
  boost::beast::websocket::stream<client_stream, false> stream_;
  const gateway_options& limits_;
  std::shared_ptr<void> place_;
  /// What was read of a message and what waits in CONNECTION take of the room for bodies. Of the
  /// reactor's thread.
  std::unique_ptr<body_room::part> room_;
  /// What waits to be read by the client likewise.
  std::unique_ptr<body_room::part> unread_;
  http::request<http::string_body> upgrade_;
  socket_events events_;
  boost::beast::flat_buffer buffer_;
  std::deque<std::string> unsent_;
  std::atomic<size_t> unsent_bytes_{0};
  std::atomic<size_t> given_{0};
  std::atomic<size_t> given_bytes_{0};
  /// Reading stands still until CONNECTION has taken what it was given.
  std::atomic<bool> held_{false};
  /// Something is held in `room_`; there was no more.
  std::atomic<bool> counted_{false}, no_room_{false};
  /// This object while it is held: no read under way keeps it.
  std::shared_ptr<websocket_session> kept_;
  std::unique_ptr<boost::asio::steady_timer> limit_;
  /// Code and reason of a close that waits for what is unsent.
  std::optional<std::pair<uint16_t, std::string>> last_;
  bool json_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

} // namespace sotto
