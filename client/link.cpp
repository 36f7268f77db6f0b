#include "client/link.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace sotto {

namespace {

/// A whole page of memories.
constexpr uint32_t largest_answer = 64 << 20;
constexpr size_t much_unsent = 256 << 10;
/// Heartbeats in the time after which a silent node is lost.
constexpr int heartbeats = 3;

} // namespace

client_link::client_link(boost::asio::io_context& io, boost::asio::ssl::context& tls,
                         const client_options& with, std::string address, events to)
    : with_(with), address_(std::move(address)), to_(std::move(to)), resolver_(io),
      stream_(io, tls), timer_(io) {}

void client_link::start() {
  timer_.expires_after(with_.connect_timeout);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec && !self->welcomed_)
      self->lose({ec::unavailable, self->address_ + " does not answer", {}});
  });
  auto colon = address_.rfind(':');
  auto host = address_.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  auto port = colon == std::string::npos ? std::string{} : address_.substr(colon + 1);
  resolver_.async_resolve(host, port, [self = shared_from_this()](error_code ec, auto found) {
    if (ec)
      return self->lose("find", ec);
    self->connect(found);
  });
}

void client_link::connect(const tcp::resolver::results_type& to) {
  if (closed_)
    return;
  boost::asio::async_connect(stream_.next_layer(), to,
                             [self = shared_from_this()](error_code ec, const tcp::endpoint&) {
                               if (ec || self->closed_)
                                 return self->lose("connect to", ec);
                               error_code ignored;
                               self->stream_.next_layer().set_option(tcp::no_delay{true}, ignored);
                               self->stream_.async_handshake(
                                   boost::asio::ssl::stream_base::client, [self](error_code why) {
                                     if (why || self->closed_)
                                       return self->lose("have a TLS connection to", why);
                                     self->greet();
                                   });
                             });
}

void client_link::greet() {
  native_call_frame first;
  native_hello hello;
  hello.version = SOTTO_VERSION;
  hello.key = with_.api_key;
  hello.tenant = with_.tenant;
  first.body = std::move(hello);
  send(to_bytes(first));
  read();
}

void client_link::send(const std::string& bytes) {
  if (closed_)
    return;
  unsent_ += bytes;
  if (sending_.empty())
    write();
}

bool client_link::busy() const {
  return unsent_.size() + sending_.size() > much_unsent;
}

void client_link::write() {
  sending_ = std::exchange(unsent_, {});
  boost::asio::async_write(stream_, boost::asio::buffer(sending_),
                           [self = shared_from_this()](error_code ec, size_t) {
                             self->sending_.clear();
                             if (self->closed_)
                               return;
                             // A node that hangs up has said why, which is still to be read.
                             if (ec)
                               return;
                             if (!self->unsent_.empty())
                               self->write();
                             if (!self->busy() && self->welcomed_)
                               self->to_.writable();
                           });
}

void client_link::read() {
  boost::asio::async_read(stream_, boost::asio::buffer(head_),
                          [self = shared_from_this()](error_code ec, size_t) {
                            if (ec || self->closed_)
                              return self->lose("hear", ec);
                            auto size = native_size({self->head_.data(), self->head_.size()});
                            if (size > largest_answer)
                              return self->lose({ec::invalid, "the node speaks nonsense", {}});
                            self->body_.resize(size);
                            self->read_body();
                          });
}

void client_link::read_body() {
  boost::asio::async_read(stream_, boost::asio::buffer(body_),
                          [self = shared_from_this()](error_code ec, size_t) {
                            if (ec || self->closed_)
                              return self->lose("hear", ec);
                            self->heard_ = true;
                            self->take();
                            if (!self->closed_)
                              self->read();
                          });
}

void client_link::take() {
  native_answer_frame x;
  if (auto why = from_bytes(body_, x))
    return lose(why);
  if (auto* why = std::get_if<failure>(&x.body); why && x.number == 0)
    return lose({why->code, address_ + " hung up: " + why->message, why->param, why->retry_after},
                true);
  if (auto* welcome = std::get_if<native_welcome>(&x.body)) {
    if (std::exchange(welcomed_, true))
      return;
    watch();
    return to_.welcomed(*welcome);
  }
  if (welcomed_)
    to_.answered(x);
}

void client_link::watch() {
  timer_.expires_after(with_.silence / heartbeats);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec || self->closed_)
      return;
    self->missed_ = std::exchange(self->heard_, false) ? 0 : self->missed_ + 1;
    if (self->missed_ >= heartbeats)
      return self->lose({sotto::ec::unavailable, self->address_ + " has fallen silent", {}});
    native_call_frame alive;
    alive.body = native_alive{};
    self->send(to_bytes(alive));
    self->watch();
  });
}

void client_link::lose(const char* doing, error_code ec) {
  lose({sotto::ec::unavailable,
        std::string{"cannot "} + doing + " " + address_ + ": "
            + (ec == boost::asio::error::eof ? "it hung up" : ec.message()),
        {}});
}

void client_link::lose(const failure& why, bool refused) {
  if (closed_)
    return;
  close();
  // Whoever hears it may let go of this.
  boost::asio::post(stream_.get_executor(), [self = shared_from_this(), why, refused] {
    if (auto lost = std::exchange(self->to_, {}).lost)
      lost(why, refused);
  });
}

void client_link::close() {
  closed_ = true;
  error_code ignored;
  timer_.cancel();
  resolver_.cancel();
  stream_.next_layer().close(ignored);
}

} // namespace sotto
