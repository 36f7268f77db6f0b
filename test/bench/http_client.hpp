#pragma once

#include <utility> // before Asio of Boost 1.74, for its awaitable.hpp

#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace sotto::bench {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using steady = std::chrono::steady_clock;

inline double seconds_since(steady::time_point x) {
  return std::chrono::duration<double>(steady::now() - x).count();
}

/// A kept-alive connection that sends one request at a time. It costs the loading side as little as
/// it can: answers are not parsed beyond their status and length.
class http_client : public std::enable_shared_from_this<http_client> {
public:
  struct answer {
    /// 0: the connection broke; `text` says why.
    unsigned status = 0;
    std::string_view text;
    size_t head = 0;
  };
  using handler = std::function<void(const answer&)>;

  http_client(asio::io_context& io, const tcp::endpoint& to) : socket_(io), to_(to) {}

  /// Connects first where it is not connected.
  void send(std::string request, handler done) {
    request_ = std::move(request);
    done_ = std::move(done);
    if (socket_.is_open())
      return write();
    socket_.async_connect(to_, [self = shared_from_this()](error_code ec) {
      if (ec)
        return self->fail("connect: " + ec.message());
      self->socket_.set_option(tcp::no_delay{true});
      self->write();
    });
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

  /// Closes it so that nothing is left of it, here or there.
  void reset() {
    error_code ignored;
    if (socket_.is_open())
      socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
    close();
  }

private:
  void write() {
    asio::async_write(socket_, asio::buffer(request_),
                      [self = shared_from_this()](error_code ec, size_t) {
                        if (ec)
                          return self->fail("write: " + ec.message());
                        self->read_head();
                      });
  }

  void read_head() {
    asio::async_read_until(socket_, asio::dynamic_buffer(reply_), "\r\n\r\n",
                           [self = shared_from_this()](error_code ec, size_t size) {
                             if (ec)
                               return self->fail("read: " + ec.message());
                             self->read_body(size);
                           });
  }

  void read_body(size_t head) {
    static constexpr std::string_view field = "Content-Length: ";
    auto at = reply_.find(field);
    size_t length = 0;
    if (at == std::string::npos || at > head
        || std::from_chars(reply_.data() + at + field.size(), reply_.data() + head, length).ec
               != std::errc{})
      return fail("a reply has no length");
    auto whole = head + length;
    if (reply_.size() >= whole)
      return replied(head, whole);
    asio::async_read(socket_, asio::dynamic_buffer(reply_),
                     asio::transfer_exactly(whole - reply_.size()),
                     [self = shared_from_this(), head, whole](error_code ec, size_t) {
                       if (ec)
                         return self->fail("read: " + ec.message());
                       self->replied(head, whole);
                     });
  }

  void replied(size_t head, size_t whole) {
    unsigned status = 0;
    constexpr size_t before = 9, digits = 3; // "HTTP/1.1 200"
    std::from_chars(reply_.data() + before, reply_.data() + before + digits, status);
    auto text = std::exchange(reply_, {});
    std::exchange(done_, {})({status, std::string_view{text}.substr(0, whole), head});
  }

  void fail(const std::string& why) {
    close();
    reply_.clear();
    if (auto done = std::exchange(done_, {}))
      done({0, why, 0});
  }

  tcp::socket socket_;
  tcp::endpoint to_;
  std::string request_, reply_;
  handler done_;
};

/// A turn of `user` over HTTP; `headers`: lines with their ends.
inline std::string turn_request_text(std::string_view user, std::string_view text,
                                     std::string_view headers = {}) {
  auto body = fmt::format(
      R"({{"model":"companion","user":"{}","messages":[{{"role":"user","content":"{}"}}]}})", user,
      text);
  return fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n{}"
                     "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                     headers, body.size(), body);
}

/// Reads HOST:PORT; nothing where it is none.
inline std::optional<tcp::endpoint> read_endpoint(const std::string& text) {
  auto colon = text.rfind(':');
  if (colon == std::string::npos)
    return std::nullopt;
  error_code ec;
  auto host = asio::ip::make_address(text.substr(0, colon), ec);
  uint16_t port = 0;
  auto [end, bad] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (ec || bad != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return tcp::endpoint{host, port};
}

} // namespace sotto::bench
