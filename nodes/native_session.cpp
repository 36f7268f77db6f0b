#include "nodes/native_session.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <spdlog/spdlog.h>

#include "messages/native.hpp"

namespace sotto {

namespace {

/// How long a frontend may take for its part of closing.
constexpr auto closing_time = std::chrono::seconds{2};

} // namespace

native_session::native_session(boost::asio::ip::tcp::socket socket, tls_context with,
                               std::shared_ptr<const native_gate> at, std::shared_ptr<void> place)
    : context_(std::move(with)), stream_(std::move(socket), *context_),
      silence_(stream_.get_executor()), gate_(std::move(at)), place_(std::move(place)) {}

void native_session::start() {
  error_code ignored;
  stream_.next_layer().set_option(boost::asio::ip::tcp::no_delay{true}, ignored);
  wait(gate_->handshake_timeout);
  stream_.async_handshake(boost::asio::ssl::stream_base::server,
                          [self = shared_from_this()](error_code ec) {
                            if (ec || self->closed_)
                              self->finish();
                            else
                              self->meet();
                          });
}

void native_session::wait(caf::timespan longest) {
  silence_.expires_after(longest);
  silence_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec)
      self->finish();
  });
}

void native_session::meet() {
  auto who = frontend_of(stream_.native_handle());
  if (!who) {
    refuse({ec::invalid,
            "this is a node's certificate, and this port is for frontends: \"sotto cluster certs "
            "--frontend NAME\" makes one",
            "certificate"});
    return read();
  }
  events_ = gate_->owner(shared_from_this(), *who);
  read();
}

void native_session::refuse(const failure& why) {
  native_answer_frame last;
  last.body = why;
  frame(to_bytes(last));
  close();
}

void native_session::read() {
  boost::asio::async_read(
      stream_, boost::asio::buffer(head_), [self = shared_from_this()](error_code ec, size_t) {
        if (ec || self->closed_)
          return self->finish();
        auto size = native_size({self->head_.data(), self->head_.size()});
        auto most = self->let_in_ ? self->gate_->limits.max_frame : largest_hello;
        if (size > most) {
          // What follows cannot be told from frames any more.
          return self->refuse(
              {ec::too_large,
               fmt::format("a frame of {} bytes was sent; at most {} are read", size, most),
               {}});
        }
        self->read_body(size);
      });
}

void native_session::read_body(size_t size) {
  body_.resize(size);
  boost::asio::async_read(stream_, boost::asio::buffer(body_),
                          [self = shared_from_this()](error_code ec, size_t bytes) {
                            if (ec || self->closed_)
                              return self->finish();
                            if (self->last_)
                              return self->read(); // nobody listens any more
                            if (self->let_in_)
                              self->wait(self->gate_->limits.idle_timeout);
                            ++self->given_;
                            self->given_bytes_ += bytes;
                            if (self->events_.frame)
                              self->events_.frame(std::exchange(self->body_, {}));
                            self->read_on();
                          });
}

bool native_session::too_much_given() const {
  return given_ >= most_given || given_bytes_ > gate_->limits.max_unread;
}

void native_session::read_on() {
  if (!too_much_given())
    return read();
  silence_.cancel(); // it is us who do not listen
  kept_ = shared_from_this();
  held_ = true;
  // What was taken meanwhile found nothing held.
  if (!too_much_given() && held_.exchange(false))
    resume();
}

void native_session::resume() {
  auto self = std::exchange(kept_, nullptr);
  if (closed_)
    return;
  wait(let_in_ ? gate_->limits.idle_timeout : gate_->handshake_timeout);
  read();
}

void native_session::taken(size_t frames, size_t bytes) {
  given_ -= frames;
  given_bytes_ -= bytes;
  if (!too_much_given() && held_.exchange(false))
    boost::asio::post(stream_.get_executor(), [self = shared_from_this()] { self->resume(); });
}

void native_session::let_in() {
  let_in_ = true;
  boost::asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (!self->closed_ && !self->last_)
      self->wait(self->gate_->limits.idle_timeout);
  });
}

void native_session::frame(std::string bytes) {
  unsent_bytes_ += bytes.size();
  boost::asio::post(stream_.get_executor(), [self = shared_from_this(), bytes = std::move(bytes)] {
    if (self->last_ || self->closed_)
      return;
    // One answer may be larger than what may wait.
    auto waits = self->unsent_.size() + self->sending_.size();
    if (waits > self->gate_->limits.max_unsent) {
      spdlog::warn("a C++ frontend reads too slowly and is cut off");
      return self->finish();
    }
    self->unsent_ += bytes;
    if (!self->writing_)
      self->write();
  });
}

void native_session::write() {
  if (closed_)
    return;
  if (unsent_.empty()) {
    if (last_)
      part();
    return;
  }
  writing_ = true;
  sending_ = std::exchange(unsent_, {});
  boost::asio::async_write(stream_, boost::asio::buffer(sending_),
                           [self = shared_from_this()](error_code ec, size_t) {
                             self->writing_ = false;
                             if (ec)
                               return self->finish();
                             self->unsent_bytes_ -= self->sending_.size();
                             self->sending_.clear();
                             self->write();
                           });
}

void native_session::close() {
  boost::asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->closed_ || std::exchange(self->last_, true))
      return;
    self->wait(closing_time);
    if (!self->writing_)
      self->write();
  });
}

// The frontend hangs up when it has read what was sent last: a socket that is closed with bytes
// unread would reset the connection.
void native_session::part() {
  error_code ignored;
  stream_.next_layer().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
}

void native_session::drain() {
  if (events_.drain)
    events_.drain();
  else
    finish();
}

void native_session::check() {
  if (events_.check)
    events_.check();
}

void native_session::tell_nodes() {
  if (events_.nodes)
    events_.nodes();
}

void native_session::finish() {
  if (std::exchange(closed_, true))
    return;
  error_code ignored;
  silence_.cancel();
  stream_.next_layer().close(ignored);
  auto kept = std::exchange(kept_, nullptr);
  auto events = std::exchange(events_, {});
  place_.reset();
  if (events.closed)
    events.closed();
}

} // namespace sotto
