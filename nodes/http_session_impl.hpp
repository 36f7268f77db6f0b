#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <optional>

#include "nodes/client_stream.hpp"
#include "nodes/gate.hpp"
#include "nodes/http_session.hpp"

namespace sotto {

class websocket_session;

namespace http = boost::beast::http;
using tcp = boost::asio::ip::tcp;
using error_code = boost::system::error_code;

/// One HTTP/1.1 socket: reads a request, hands it to CONNECTION, writes the answer, and reads the
/// next (so that pipelined requests are answered in order). Runs on the reactor's thread but for
/// the functions of `reply_channel`.
///
/// Bounds: the head and the body by size and time, the unsent part of a stream by size, silence
/// between requests by time.
class http_session final : public reply_channel, public std::enable_shared_from_this<http_session> {
public:
  /// `place` counts the socket while it is open.
  http_session(client_stream stream, std::shared_ptr<gate> at, std::shared_ptr<void> place);

  void start();

  void respond(http_answer answer) override;
  void begin(http_answer head) override;
  void piece(std::string bytes) override;
  void end() override;
  void frame(std::string bytes) override;
  void close(uint16_t code, std::string reason) override;
  void taken(size_t frames, size_t bytes) override;
  size_t unsent() const override;

  /// Closes the socket; CONNECTION is told.
  void finish();

  /// Closes it as soon as no request is under way.
  void drain();

  /// Closes a WebSocket whose key no longer holds.
  void check_caller();

private:
  void read_head(bool first);
  void read_head_on();
  void got_head(error_code ec);
  access_verdict ask_at_door();
  void turn_away(http_answer answer);
  void go_on();
  void read_body();
  void read_body_on();
  bool has_room();
  void refuse_body();
  /// Refuses the request, whose head was read, where the node is too busy for it.
  bool turned_away();
  void drop_body(uint64_t left, priority level, bool again);
  /// The answer bears a trace id although no CONNECTION gives one.
  void trace_refusal(priority level, const char* why);
  void tell_refusal();
  void dispatch();
  void watch();
  void peek();
  void look_again();
  void refuse(error_code ec);
  void send(http_answer answer);
  bool may_ask_again() const;
  bool has_room_unread(size_t bytes);
  void answered(error_code ec);
  void linger();
  void part();
  void drop_rest();
  void start_stream(http_answer head);
  void add_piece(std::string bytes);
  void write_pieces();
  void wrote_piece(error_code ec);
  void upgrade();
  void idle_in(idle_sockets& where);
  void idle_no_more();
  void meet_owner();

  client_stream stream_;
  std::shared_ptr<gate> gate_;
  const gateway_options& limits_;
  std::shared_ptr<void> place_;
  /// This socket's place in a list of idle ones: here while it is in none.
  idle_sockets own_{this};
  idle_sockets::iterator place_in_list_ = own_.begin();
  idle_sockets* idle_in_ = nullptr;
  socket_events events_;
  caller who_;
  /// What the answer bears besides its own headers.
  std::vector<std::pair<std::string, std::string>> also_;
  /// Was turned away; the answer when its body has been read.
  std::optional<http_answer> refusal_;
  std::optional<boost::asio::steady_timer> watchdog_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  /// Of the body that is being read, where it is large.
  std::shared_ptr<body_room::part> room_;
  /// Of an answer that is being read, where it is large.
  std::unique_ptr<body_room::part> unread_;
  std::shared_ptr<http::response<http::empty_body>> head_;
  std::shared_ptr<http::response_serializer<http::empty_body>> serializer_;
  /// Set once the socket is a WebSocket.
  std::weak_ptr<websocket_session> successor_;
  int64_t received_ = 0;
  uint64_t round_ = 0;
  std::string unsent_, sending_;
  bool keep_alive_ = true;
  bool head_only_ = false;
  /// A request is under way.
  bool busy_ = false;
  bool streaming_ = false;
  bool writing_ = false;
  bool ending_ = false;
  /// The request was refused before it was read whole.
  bool linger_ = false;
  size_t droppable_ = 256 << 20;
  /// The latest turn that was asked for here was turned away.
  bool refused_before_ = false;
  bool closed_ = false;
};

} // namespace sotto
