#pragma once

#include "test/bench/http_client.hpp"

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sotto::bench {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

/// Answers every request, or every frame of a WebSocket, with the same bytes, by Beast.
class bare_session : public std::enable_shared_from_this<bare_session> {
public:
  bare_session(tcp::socket socket, const std::string& body)
      : stream_(beast::tcp_stream{std::move(socket)}), body_(body) {}

  void read() {
    request_ = {};
    http::async_read(stream_.next_layer(), buffer_, request_,
                     [self = shared_from_this()](error_code ec, size_t) {
                       if (ec)
                         return;
                       if (websocket::is_upgrade(self->request_))
                         self->upgrade();
                       else
                         self->write();
                     });
  }

private:
  void write() {
    response_ = {http::status::ok, 11};
    response_.set(http::field::server, "bare");
    response_.set(http::field::content_type, "application/json");
    response_.body() = body_;
    response_.keep_alive(true);
    response_.prepare_payload();
    http::async_write(stream_.next_layer(), response_,
                      [self = shared_from_this()](error_code ec, size_t) {
                        if (!ec)
                          self->read();
                      });
  }

  void upgrade() {
    stream_.binary(true);
    stream_.async_accept(request_, [self = shared_from_this()](error_code ec) {
      if (!ec)
        self->read_frame();
    });
  }

  void read_frame() {
    buffer_.clear();
    stream_.async_read(buffer_, [self = shared_from_this()](error_code ec, size_t) {
      if (!ec)
        self->write_frame();
    });
  }

  /// The name of the call stands at the end, as in the node's answers.
  void write_frame() {
    std::string_view call{static_cast<const char*>(buffer_.data().data()), buffer_.size()};
    constexpr std::string_view field = "\xa2id\xa4";
    constexpr size_t digits = 4;
    auto at = call.rfind(field);
    frame_ = body_;
    if (at != std::string_view::npos)
      frame_ += call.substr(at, field.size() + digits);
    frame_ += "\xa4type\xa5reply";
    stream_.async_write(asio::buffer(frame_), [self = shared_from_this()](error_code ec, size_t) {
      if (!ec)
        self->read_frame();
    });
  }

  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
  std::string frame_;
  const std::string& body_;
};

/// A bare server in a process of its own, as the node is; ends with this object.
class bare_server {
public:
  /// `size`: bytes of its answers.
  explicit bare_server(size_t size) {
    asio::io_context io;
    tcp::acceptor at{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    endpoint_ = at.local_endpoint();
    child_ = fork();
    if (child_ == 0)
      serve(at.release(), size);
  }
  ~bare_server() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  bare_server(const bare_server&) = delete;
  bare_server& operator=(const bare_server&) = delete;

  const tcp::endpoint& endpoint() const { return endpoint_; }

private:
  static void accept(tcp::acceptor& at, const std::string& body) {
    at.async_accept([&](error_code ec, tcp::socket socket) {
      if (ec)
        return;
      socket.set_option(tcp::no_delay{true});
      std::make_shared<bare_session>(std::move(socket), body)->read();
      accept(at, body);
    });
  }

  [[noreturn]] static void serve(int listening, size_t size) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    asio::io_context io{1};
    tcp::acceptor at{io, tcp::v4(), listening};
    auto body = std::string{R"({"choices":")"};
    body.resize(std::max(size, body.size() + 2), 'x');
    body.replace(body.size() - 2, 2, "\"}");
    accept(at, body);
    io.run();
    std::_Exit(0);
  }

  tcp::endpoint endpoint_;
  pid_t child_ = -1;
};

} // namespace sotto::bench
