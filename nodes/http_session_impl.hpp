#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <optional>

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
  http_session(tcp::socket socket, const gateway_options& limits,
               std::shared_ptr<socket_counts> counts);
  ~http_session() override;

  void start(const socket_owner& owner);

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

private:
  void read_head(bool first);
  void read_head_on();
  void got_head(error_code ec);
  void go_on();
  void read_body();
  void dispatch();
  void watch();
  void peek();
  void refuse(error_code ec);
  void send(http_answer answer);
  void answered(error_code ec);
  void linger();
  void drop_rest();
  void start_stream(http_answer head);
  void add_piece(std::string bytes);
  void write_pieces();
  void wrote_piece(error_code ec);
  void upgrade();

  boost::beast::tcp_stream stream_;
  const gateway_options& limits_;
  std::shared_ptr<socket_counts> counts_;
  socket_events events_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
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
  size_t dropped_ = 0;
  bool closed_ = false;
  /// This object is counted as an open socket.
  bool counted_ = true;
};

} // namespace sotto
