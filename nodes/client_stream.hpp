#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>

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

/// How a WebSocket ends its stream (found by Beast through the argument's namespace).
template <class Handler>
void async_teardown(boost::beast::role_type role, client_stream& stream, Handler&& done) {
  using boost::beast::websocket::async_teardown;
  if (auto* x = stream.secured())
    async_teardown(role, *x, std::forward<Handler>(done));
  else
    async_teardown(role, stream.next_layer(), std::forward<Handler>(done));
}

} // namespace sotto
