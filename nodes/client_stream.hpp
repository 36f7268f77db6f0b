#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/ssl.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <variant>

namespace sotto {

/// A socket, plain or TLS, as one type of asynchronous stream: what reads and writes HTTP and
/// WebSockets is written and compiled once for both. A plain socket pays a comparison for it.
class client_stream {
public:
  using plain = boost::beast::tcp_stream;
  using tls = boost::beast::ssl_stream<plain>;
  using executor_type = plain::executor_type;
  using next_layer_type = plain;

  explicit client_stream(plain from) : stream_(std::move(from)) {}
  client_stream(plain from, boost::asio::ssl::context& with)
      : stream_(std::in_place_type<tls>, std::move(from), with) {}

  /// The TLS layer; null for a plain socket.
  tls* secured() { return std::get_if<tls>(&stream_); }

  plain& next_layer() {
    auto* x = secured();
    return x ? x->next_layer() : std::get<plain>(stream_);
  }
  const plain& next_layer() const { return const_cast<client_stream*>(this)->next_layer(); }

  boost::asio::ip::tcp::socket& socket() { return next_layer().socket(); }
  executor_type get_executor() { return next_layer().get_executor(); }

  template <class Duration>
  void expires_after(Duration time) {
    next_layer().expires_after(time);
  }
  void expires_never() { next_layer().expires_never(); }
  void close() { next_layer().close(); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& to, Handler&& done) {
    if (auto* x = std::get_if<plain>(&stream_))
      return x->async_read_some(to, std::forward<Handler>(done));
    return std::get<tls>(stream_).async_read_some(to, std::forward<Handler>(done));
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& from, Handler&& done) {
    if (auto* x = std::get_if<plain>(&stream_))
      return x->async_write_some(from, std::forward<Handler>(done));
    return std::get<tls>(stream_).async_write_some(from, std::forward<Handler>(done));
  }

private:
  std::variant<plain, tls> stream_;
};

/// Ends a stream so that the other side gets what was sent last, though it may still be sending:
/// what comes is thrown away for a moment, because a socket that is closed with bytes unread resets
/// the connection. (The teardown of Beast 1.74 means to do so, and stops after its first read.)
template <class Handler>
class stream_farewell : public std::enable_shared_from_this<stream_farewell<Handler>> {
public:
  stream_farewell(client_stream& stream, Handler done) : stream_(stream), done_(std::move(done)) {}

  void start() {
    stream_.expires_after(std::chrono::seconds{2});
    if (auto* tls = stream_.secured())
      tls->async_shutdown([self = this->shared_from_this()](auto) { self->end_sending(); });
    else
      end_sending();
  }

private:
  void end_sending() {
    boost::system::error_code ignored;
    stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
    drop();
  }

  void drop() {
    stream_.next_layer().async_read_some(boost::asio::buffer(piece_),
                                         [self = this->shared_from_this()](auto ec, size_t size) {
                                           self->left_ -= std::min(size, self->left_);
                                           if (!ec && self->left_ > 0)
                                             return self->drop();
                                           self->stream_.close();
                                           self->done_(boost::system::error_code{});
                                         });
  }

  client_stream& stream_;
  Handler done_;
  size_t left_ = 256 << 20;
  std::array<char, 16 * 1024> piece_;
};

/// How a WebSocket ends its stream (found by Beast through the argument's namespace).
template <class Handler>
void async_teardown(boost::beast::role_type, client_stream& stream, Handler&& done) {
  std::make_shared<stream_farewell<std::decay_t<Handler>>>(stream, std::forward<Handler>(done))
      ->start();
}

} // namespace sotto
