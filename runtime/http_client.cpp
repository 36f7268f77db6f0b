#include "runtime/http_client.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace sotto {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;

constexpr uint64_t body_limit = 64ULL << 20;
constexpr uint32_t header_limit = 64 << 10;
constexpr int most_interim = 16;

using plain_stream = beast::tcp_stream;
using tls_stream = beast::ssl_stream<beast::tcp_stream>;

template <class Stream>
class link final : public http_link, public std::enable_shared_from_this<link<Stream>> {
public:
  link(asio::io_context& io, url server, std::shared_ptr<asio::ssl::context> tls)
      : io_(io), resolver_(io), server_(std::move(server)), tls_(std::move(tls)) {}

  void post(http_post request, http_events events) override {
    asio::post(io_, [self = this->shared_from_this(), request = std::move(request),
                     events = std::move(events)]() mutable {
      self->start(std::move(request), std::move(events));
    });
  }

  void cancel() override {
    asio::post(io_, [self = this->shared_from_this()] {
      self->busy_ = false;
      self->events_ = {}; // they may hold who holds this link
      self->drop();
    });
  }

private:
  void start(http_post request, http_events events) {
    request_ = std::move(request);
    events_ = std::move(events);
    busy_ = true;
    if (stream_ && unasked())
      drop();
    reused_ = stream_ != nullptr;
    head_seen_ = false;
    interim_ = 0;
    if (reused_)
      write();
    else
      connect();
  }

  // Bytes that nobody asked for: they would pass for the answer to the next post.
  bool unasked() {
    error_code ec;
    return buffer_.size() > 0 || lowest().socket().available(ec) > 0 || ec;
  }

  // A handler belongs to the post and the socket it was made for; later ones must not hear of it.
  template <class... Ts, class F>
  auto bind(F f) {
    return [self = this->shared_from_this(), round = round_, f](error_code ec, Ts... xs) {
      if (self->busy_ && round == self->round_)
        f(*self, ec, xs...);
    };
  }

  void connect() {
    ++round_;
    make_stream();
    lowest().expires_after(request_.connect_timeout);
    // The resolver has no time-out of its own; the stream's would not end it.
    resolver_.async_resolve(server_.host, server_.port,
                            bind<tcp::resolver::results_type>(
                                [](link& x, error_code ec, const tcp::resolver::results_type& at) {
                                  x.resolved(ec, at);
                                }));
  }

  void resolved(error_code ec, const tcp::resolver::results_type& at) {
    if (ec)
      return fail("find", ec);
    lowest().expires_after(request_.connect_timeout);
    lowest().async_connect(at, bind<tcp::endpoint>([](link& x, error_code ec,
                                                      const tcp::endpoint&) { x.connected(ec); }));
  }

  void connected(error_code ec) {
    if (ec)
      return fail("connect to", ec);
    lowest().socket().set_option(tcp::no_delay{true}, ec);
    if constexpr (std::is_same_v<Stream, tls_stream>) {
      lowest().expires_after(request_.connect_timeout);
      stream_->async_handshake(asio::ssl::stream_base::client, bind([](link& x, error_code ec) {
                                 if (ec)
                                   x.fail("make a trusted TLS connection to", ec);
                                 else
                                   x.write();
                               }));
    } else {
      write();
    }
  }

  void write() {
    message_ = {http::verb::post, server_.path + request_.path, 11};
    message_.set(http::field::host, server_.authority());
    message_.set(http::field::user_agent, "sotto/" SOTTO_VERSION);
    message_.set(http::field::content_type, "application/json");
    message_.set(http::field::accept, "application/json, text/event-stream");
    if (!request_.authorization.empty())
      message_.set(http::field::authorization, request_.authorization);
    message_.body() = request_.body;
    message_.prepare_payload();
    lowest().expires_after(request_.header_timeout);
    http::async_write(*stream_, message_, bind<size_t>([](link& x, error_code ec, size_t) {
      if (ec)
        x.fail("send to", ec);
      else
        x.read_head();
    }));
  }

  void read_head() {
    parser_ = std::make_unique<http::response_parser<http::buffer_body>>();
    parser_->body_limit(body_limit);
    parser_->header_limit(header_limit);
    lowest().expires_after(request_.header_timeout);
    http::async_read_header(*stream_, buffer_, *parser_,
                            bind<size_t>([](link& x, error_code ec, size_t) { x.got_head(ec); }));
  }

  void got_head(error_code ec) {
    if (ec)
      return fail("read the answer of", ec);
    head_seen_ = true;
    auto& answer = parser_->get();
    // Interim answers go before the answer, asked for or not (RFC 9110, 15.2).
    if (answer.result_int() < 200)
      return ++interim_ > most_interim ? fail("read the answer of", http::error::bad_status)
                                       : read_head();
    http_head head;
    head.status = answer.result_int();
    head.content_type = std::string{answer[http::field::content_type]};
    auto after = answer[http::field::retry_after];
    std::from_chars(after.data(), after.data() + after.size(), head.retry_after);
    events_.on_head(head);
    read_body();
  }

  void read_body() {
    if (parser_->is_done())
      return finish();
    auto& body = parser_->get().body();
    body.data = piece_.data();
    body.size = piece_.size();
    lowest().expires_after(request_.idle_timeout);
    http::async_read_some(*stream_, buffer_, *parser_,
                          bind<size_t>([](link& x, error_code ec, size_t) { x.got_piece(ec); }));
  }

  void got_piece(error_code ec) {
    if (ec == http::error::need_buffer)
      ec = {};
    // Whatever was read counts, also where the connection broke behind it.
    auto size = piece_.size() - parser_->get().body().size;
    if (size > 0)
      events_.on_piece({piece_.data(), size});
    if (ec)
      return fail("read the answer of", ec);
    read_body();
  }

  void finish() {
    busy_ = false;
    if (!parser_->get().keep_alive())
      drop();
    else
      lowest().expires_never();
    auto events = std::exchange(events_, {});
    events.on_end();
  }

  void fail(const char* what, error_code ec) {
    drop();
    // The server may close an idle connection just as it is used again: once is no failure.
    if (reused_ && !head_seen_ && ec != beast::error::timeout) {
      reused_ = false;
      connect();
      return;
    }
    busy_ = false;
    auto late = ec == beast::error::timeout;
    auto events = std::exchange(events_, {});
    events.on_error({late ? ec::timeout : ec::upstream_failed,
                     fmt::format("could not {} {}: {}", what, server_.authority(),
                                 late ? "no answer in time" : ec.message()),
                     {}});
  }

  void drop() {
    ++round_;
    resolver_.cancel();
    if (stream_)
      lowest().close();
    // A cancelled operation may still hold the stream; it lives until its handler has run.
    if (stream_)
      asio::post(io_, [old = std::move(stream_)] {});
    stream_ = nullptr;
    buffer_.clear();
  }

  void make_stream() {
    if constexpr (std::is_same_v<Stream, tls_stream>) {
      stream_ = std::make_shared<Stream>(io_, *tls_);
      SSL_set_tlsext_host_name(stream_->native_handle(), server_.host.c_str());
      stream_->set_verify_callback(asio::ssl::host_name_verification{server_.host});
    } else {
      stream_ = std::make_shared<Stream>(io_);
    }
  }

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(*stream_); }

  using ec = sotto::ec;

  asio::io_context& io_;
  tcp::resolver resolver_;
  url server_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::shared_ptr<Stream> stream_;
  http_post request_;
  http_events events_;
  http::request<http::string_body> message_;
  std::unique_ptr<http::response_parser<http::buffer_body>> parser_;
  beast::flat_buffer buffer_;
  std::array<char, 16 * 1024> piece_;
  uint64_t round_ = 0;
  bool busy_ = false;
  bool reused_ = false;
  bool head_seen_ = false;
  int interim_ = 0;
};

} // namespace

caf::expected<std::shared_ptr<http_link>> make_http_link(reactor& io, const url& server,
                                                         const std::string& ca_file) {
  if (!server.tls)
    return std::shared_ptr<http_link>{
        std::make_shared<link<plain_stream>>(io.io(), server, nullptr)};
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  error_code ec;
  tls->set_default_verify_paths(ec);
  if (!ca_file.empty())
    tls->load_verify_file(ca_file, ec);
  if (ec)
    return to_error({sotto::ec::invalid,
                     fmt::format("cannot read the certificates in '{}': {}", ca_file, ec.message()),
                     "ca_file"});
  tls->set_verify_mode(asio::ssl::verify_peer);
  return std::shared_ptr<http_link>{std::make_shared<link<tls_stream>>(io.io(), server, tls)};
}

} // namespace sotto
