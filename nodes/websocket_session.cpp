#include "nodes/websocket_session.hpp"

#include "messages/frontend.hpp"
#include "nodes/json_output.hpp"
#include "nodes/socket_work.hpp"

namespace sotto {

namespace {

namespace websocket = boost::beast::websocket;

/// How long a client may take for its part of closing.
constexpr auto closing_time = std::chrono::seconds{5};
/// A larger read buffer is given back once it is empty.
constexpr size_t kept_buffer = 16 << 10;

/// The first offered subprotocol that is ours, or nothing.
std::optional<frontend_format> choose(boost::beast::string_view offered) {
  for (auto name : http::token_list{offered})
    for (auto format : {frontend_format::msgpack, frontend_format::json})
      if (std::string_view{name.data(), name.size()} == subprotocol(format))
        return format;
  return std::nullopt;
}

} // namespace

websocket_session::websocket_session(client_stream stream, const gateway_options& limits,
                                     std::shared_ptr<void> place,
                                     std::unique_ptr<body_room::part> room,
                                     std::unique_ptr<body_room::part> unread)
    : stream_(std::move(stream)), limits_(limits), place_(std::move(place)), room_(std::move(room)),
      unread_(std::move(unread)) {}

void websocket_session::start(http::request<http::string_body> upgrade, socket_events events) {
  upgrade_ = std::move(upgrade);
  events_ = std::move(events);
  auto format = choose(upgrade_[http::field::sec_websocket_protocol]);
  if (!format)
    return refuse();
  json_ = *format == frontend_format::json;
  auto timeouts = websocket::stream_base::timeout::suggested(boost::beast::role_type::server);
  timeouts.idle_timeout = limits_.idle_timeout;
  timeouts.keep_alive_pings = true;
  stream_.set_option(timeouts);
  stream_.read_message_max(limits_.max_frame);
  stream_.auto_fragment(false);
  auto name = subprotocol(*format);
  stream_.set_option(websocket::stream_base::decorator([name](websocket::response_type& x) {
    x.set(http::field::sec_websocket_protocol, boost::beast::string_view{name.data(), name.size()});
    x.set(http::field::server, "sotto");
  }));
  stream_.async_accept(upgrade_, [self = shared_from_this()](error_code ec) {
    if (ec)
      return self->finish();
    self->upgrade_ = {};
    self->stream_.binary(!self->json_);
    self->events_.upgraded(self->json_);
    self->read();
  });
}

void websocket_session::refuse() {
  auto answer =
      error_answer({sotto::ec::invalid, "offer the subprotocol sotto.msgpack.v1 or sotto.json.v1",
                    "Sec-WebSocket-Protocol"});
  auto response =
      std::make_shared<http::response<http::string_body>>(http::status::bad_request, 11);
  response->set(http::field::content_type, answer.content_type);
  response->body() = std::move(answer.body);
  response->keep_alive(false);
  response->prepare_payload();
  http::async_write(stream_.next_layer(), *response,
                    [self = shared_from_this(), response](error_code, size_t) { self->finish(); });
}

void websocket_session::read() {
  stream_.async_read_some(buffer_, 0,
                          [self = shared_from_this()](error_code ec, size_t) { self->got(ec); });
}

void websocket_session::got(error_code ec) {
  if (ec || closed_)
    return finish();
  no_room_ = !has_room();
  if (!stream_.is_message_done()) {
    // Others may be in the middle of a message too: to wait for them could take for ever.
    if (no_room_ && given_bytes_ == 0)
      return shut(websocket::close_code::try_again_later,
                  "more is being sent to the node than it has room for");
    return read_on();
  }
  auto bytes = boost::beast::buffers_to_string(buffer_.data());
  buffer_.consume(buffer_.size());
  if (buffer_.capacity() > kept_buffer)
    buffer_.shrink_to_fit();
  ++given_;
  given_bytes_ += bytes.size();
  events_.frame(std::move(bytes));
  read_on();
}

bool websocket_session::has_room() {
  auto bytes = given_bytes_ + buffer_.size();
  if (bytes <= body_room::part::free && !counted_)
    return true;
  counted_ = bytes > body_room::part::free;
  return room_->hold(bytes);
}

void websocket_session::recount() {
  if (!closed_)
    has_room();
}

bool websocket_session::too_much_given() const {
  return given_ >= most_given || given_bytes_ > limits_.max_unread
         || (no_room_ && given_bytes_ > 0);
}

void websocket_session::read_on() {
  if (!too_much_given())
    return read();
  kept_ = shared_from_this();
  held_ = true;
  // What was taken meanwhile found nothing held.
  if (!too_much_given() && held_.exchange(false))
    resume();
}

void websocket_session::resume() {
  auto self = std::exchange(kept_, nullptr);
  if (!closed_)
    read();
}

void websocket_session::taken(size_t frames, size_t bytes) {
  given_ -= frames;
  given_bytes_ -= bytes;
  if (counted_)
    boost::asio::post(stream_.get_executor(), [self = shared_from_this()] { self->recount(); });
  if (!too_much_given() && held_.exchange(false))
    boost::asio::post(stream_.get_executor(), [self = shared_from_this()] { self->resume(); });
}

void websocket_session::frame(std::string bytes) {
  unsent_bytes_ += bytes.size();
  boost::asio::post(stream_.get_executor(),
                    [self = shared_from_this(), bytes = std::move(bytes)]() mutable {
                      if (self->last_ || self->closing_ || self->closed_)
                        return;
                      self->unsent_.push_back(std::move(bytes));
                      auto waits = self->unsent_bytes_.load();
                      if (waits > self->limits_.max_unsent
                          || (waits > body_room::part::free && !self->unread_->hold(waits)))
                        return self->shut(socket_code::slow_reader, "too much waits to be read");
                      if (!self->writing_)
                        self->write();
                    });
}

void websocket_session::write() {
  if (closed_)
    return;
  if (unsent_.empty()) {
    if (last_)
      shut(last_->first, last_->second);
    return;
  }
  writing_ = true;
  stream_.async_write(boost::asio::buffer(unsent_.front()),
                      [self = shared_from_this()](error_code ec, size_t) {
                        self->writing_ = false;
                        if (ec)
                          return self->finish();
                        auto before = self->unsent_bytes_.fetch_sub(self->unsent_.front().size());
                        self->unsent_.pop_front();
                        if (before > body_room::part::free && self->unread_)
                          self->unread_->hold(self->unsent_bytes_);
                        self->write();
                      });
}

void websocket_session::close(uint16_t code, std::string reason) {
  boost::asio::post(stream_.get_executor(),
                    [self = shared_from_this(), code, reason = std::move(reason)]() mutable {
                      self->last_ = {code, std::move(reason)};
                      self->limit_closing();
                      if (!self->writing_)
                        self->write();
                    });
}

void websocket_session::drain() {
  if (events_.drain)
    events_.drain();
}

void websocket_session::shut(uint16_t code, const std::string& reason) {
  if (closed_ || std::exchange(closing_, true))
    return;
  unsent_.resize(writing_ ? 1 : 0);
  websocket::close_reason why{static_cast<websocket::close_code>(code),
                              boost::beast::string_view{reason.data(), reason.size()}};
  limit_closing();
  stream_.async_close(why, [self = shared_from_this()](error_code) { self->finish(); });
}

void websocket_session::limit_closing() {
  if (limit_)
    return;
  // Who does not read cannot be told why: it is not waited for.
  limit_ = std::make_unique<boost::asio::steady_timer>(stream_.get_executor(), closing_time);
  limit_->async_wait([self = shared_from_this()](error_code) { self->finish(); });
}

void websocket_session::finish() {
  if (std::exchange(closed_, true))
    return;
  boost::beast::get_lowest_layer(stream_).close();
  if (limit_)
    limit_->cancel();
  room_.reset();
  unread_.reset();
  auto kept = std::exchange(kept_, nullptr);
  auto events = std::exchange(events_, {});
  if (events.closed)
    events.closed();
}

} // namespace sotto
