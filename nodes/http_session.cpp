#include "nodes/http_session_impl.hpp"

#include <poll.h>

#include "nodes/json_output.hpp"
#include "nodes/websocket_session.hpp"
#include "runtime/clock.hpp"

namespace sotto {

namespace {

constexpr auto actors_path = "/v1/actors";
/// Of somebody without a key: bytes that are read to keep the connection, and to get the answer
/// through.
constexpr size_t small_body = 64 << 10, most_of_strangers = 1 << 20;
constexpr auto look_again_after = std::chrono::milliseconds{250};
/// Room for the first read of a socket, of which there may be many that say nothing, and of later
/// ones.
constexpr size_t first_read = 1 << 10, later_read = 16 << 10;

http_verb verb_of(http::verb x) {
  switch (x) {
  case http::verb::get:
    return http_verb::get;
  case http::verb::head:
    return http_verb::head;
  case http::verb::post:
    return http_verb::post;
  case http::verb::delete_:
    return http_verb::del;
  case http::verb::options:
    return http_verb::options;
  default:
    return http_verb::other;
  }
}

std::string text(boost::beast::string_view x) {
  return {x.data(), x.size()};
}

} // namespace

http_session::http_session(client_stream stream, std::shared_ptr<gate> at,
                           std::shared_ptr<void> place)
    : stream_(std::move(stream)), gate_(std::move(at)), limits_(gate_->limits),
      place_(std::move(place)) {
  error_code ignored;
  stream_.socket().set_option(tcp::no_delay{true}, ignored);
}

void http_session::start() {
  idle_in(gate_->silent);
  auto* tls = stream_.secured();
  if (!tls)
    return read_head(true);
  stream_.expires_after(gate_->edge.tls_handshake_timeout);
  tls->async_handshake(boost::asio::ssl::stream_base::server,
                       [self = shared_from_this()](error_code ec) {
                         if (ec || self->closed_)
                           self->finish();
                         else
                           self->read_head(true);
                       });
}

void http_session::idle_in(idle_sockets& where) {
  idle_no_more();
  where.splice(where.end(), own_, place_in_list_);
  idle_in_ = &where;
}

void http_session::idle_no_more() {
  if (!idle_in_)
    return;
  own_.splice(own_.end(), *std::exchange(idle_in_, nullptr), place_in_list_);
}

// Not before it has something to say: silent sockets cost no actor.
void http_session::meet_owner() {
  if (!events_.request)
    events_ = gate_->owner(shared_from_this());
}

// -- reading ------------------------------------------------------------------------------------

void http_session::read_head(bool first) {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(limits_.max_header));
  parser_->body_limit(limits_.max_body);
  also_.clear();
  if (!first)
    idle_in(gate_->answered);
  // Between requests a kept-alive client may be silent for long; the first must come soon.
  stream_.expires_after(first ? limits_.header_timeout : limits_.idle_timeout);
  if (buffer_.size() > 0)
    return read_head_on();
  stream_.async_read_some(buffer_.prepare(first ? first_read : later_read),
                          [self = shared_from_this()](error_code ec, size_t size) {
                            if (ec)
                              return self->finish();
                            self->buffer_.commit(size);
                            self->received_ = monotonic_nanos();
                            self->read_head_on();
                          });
}

void http_session::read_head_on() {
  stream_.expires_after(limits_.header_timeout);
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](error_code ec, size_t) { self->got_head(ec); });
}

void http_session::got_head(error_code ec) {
  idle_no_more();
  if (ec)
    return refuse(ec);
  auto verdict = ask_at_door();
  who_ = std::move(verdict.who);
  also_ = std::move(verdict.headers);
  if (verdict.answer)
    return turn_away(std::move(*verdict.answer));
  auto& request = parser_->get();
  if (boost::beast::websocket::is_upgrade(request))
    return upgrade();
  if (turned_away())
    return;
  if (parser_->is_done())
    return dispatch();
  if (boost::beast::iequals(request[http::field::expect], "100-continue"))
    return go_on();
  read_body();
}

access_verdict http_session::ask_at_door() {
  auto& request = parser_->get();
  auto view = [&](auto field) {
    auto x = request[field];
    return std::string_view{x.data(), x.size()};
  };
  auto target = request.target();
  visitor who;
  who.verb = verb_of(request.method());
  who.path = std::string_view{target.data(), target.size()};
  who.path = who.path.substr(0, who.path.find('?'));
  who.authorization = view(http::field::authorization);
  who.tenant = view("Sotto-Tenant");
  who.host = view(http::field::host);
  who.origin = view(http::field::origin);
  who.wanted_method = view(http::field::access_control_request_method);
  who.websocket = boost::beast::websocket::is_upgrade(request);
  who.protocols = view(http::field::sec_websocket_protocol);
  return gate_->door.check(who, gate_->wall(), monotonic_nanos());
}

// A small body is read all the same, so that the connection can go on. A larger one is not: who is
// not let in must not make the node keep it.
void http_session::turn_away(http_answer answer) {
  auto& request = parser_->get();
  trace_refusal(priority::normal, "refused at the door");
  auto length = parser_->content_length();
  auto waits = boost::beast::iequals(request[http::field::expect], "100-continue");
  refusal_ = std::move(answer);
  if (parser_->is_done())
    return dispatch();
  if (length && *length <= small_body && !waits)
    return read_body();
  keep_alive_ = head_only_ = false;
  busy_ = linger_ = true;
  droppable_ = most_of_strangers;
  send(*std::exchange(refusal_, std::nullopt));
}

void http_session::go_on() {
  auto text = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
  boost::asio::async_write(stream_, boost::asio::buffer(*text),
                           [self = shared_from_this(), text](error_code ec, size_t) {
                             if (ec)
                               self->finish();
                             else
                               self->read_body();
                           });
}

void http_session::read_body() {
  stream_.expires_after(limits_.body_timeout);
  parser_->eager(true);
  read_body_on();
}

void http_session::read_body_on() {
  http::async_read_some(stream_, buffer_, *parser_,
                        [self = shared_from_this()](error_code ec, size_t) {
                          if (ec)
                            self->refuse(ec);
                          else if (self->parser_->is_done())
                            self->dispatch();
                          else if (self->has_room())
                            self->read_body_on();
                          else
                            self->refuse_body();
                        });
}

/// For what was read of the body.
bool http_session::has_room() {
  auto bytes = parser_->get().body().size();
  if (bytes <= body_room::part::free)
    return true;
  if (!room_)
    room_ = std::make_shared<body_room::part>(gate_->bodies, tenant_number(who_.tenant));
  return room_->hold(bytes);
}

void http_session::refuse_body() {
  std::string{}.swap(parser_->get().body());
  room_.reset();
  keep_alive_ = head_only_ = false;
  busy_ = linger_ = true;
  trace_refusal(priority::normal, "no room for the body");
  send(error_answer({sotto::ec::overloaded,
                     "more is being sent to the node than it has room for; send it again later, or "
                     "in smaller parts",
                     {},
                     1}));
}

void http_session::dispatch() {
  auto& request = parser_->get();
  keep_alive_ = request.keep_alive();
  head_only_ = request.method() == http::verb::head;
  busy_ = true;
  ++round_;
  if (refusal_) {
    room_.reset();
    return send(*std::exchange(refusal_, std::nullopt));
  }
  http_call call;
  call.verb = verb_of(request.method());
  auto target = text(request.target());
  auto mark = target.find('?');
  call.path = target.substr(0, mark);
  if (mark != std::string::npos)
    call.query = target.substr(mark + 1);
  call.user = text(request["Sotto-User"]);
  call.group = text(request["Sotto-Group"]);
  call.conversation = text(request["Sotto-Conversation"]);
  call.priority = text(request["Sotto-Priority"]);
  call.idempotency_key = text(request["Idempotency-Key"]);
  call.last_event = text(request["Last-Event-ID"]);
  call.traceparent = text(request["traceparent"]);
  call.body = std::move(request.body());
  call.received = received_;
  call.room = std::move(room_);
  call.who = who_;
  stream_.expires_never();
  meet_owner();
  watch();
  events_.request(std::move(call));
}

void http_session::watch() {
  stream_.socket().async_wait(tcp::socket::wait_read,
                              [self = shared_from_this(), round = round_](error_code ec) {
                                if (!ec && self->busy_ && round == self->round_)
                                  self->peek();
                              });
}

void http_session::peek() {
  char byte = 0;
  error_code ec;
  stream_.socket().non_blocking(true, ec);
  auto size =
      stream_.socket().receive(boost::asio::buffer(&byte, 1), tcp::socket::message_peek, ec);
  // More bytes are the next request: it waits for its turn. Of TLS they may be its farewell, too,
  // which hides that the end is behind it.
  if (size == 0 && ec != boost::asio::error::would_block)
    finish();
  else if (stream_.secured())
    look_again();
}

void http_session::look_again() {
  pollfd socket{stream_.socket().native_handle(), POLLRDHUP, 0};
  if (::poll(&socket, 1, 0) > 0)
    return finish();
  if (!watchdog_)
    watchdog_.emplace(stream_.get_executor());
  watchdog_->expires_after(look_again_after);
  watchdog_->async_wait([self = shared_from_this(), round = round_](error_code ec) {
    if (!ec && self->busy_ && !self->closed_ && round == self->round_)
      self->look_again();
  });
}

void http_session::refuse(error_code ec) {
  // Beast closes a stream whose time is over, so nobody can be told that it was too slow.
  if (ec == http::error::end_of_stream || ec == boost::asio::error::connection_reset
      || ec == boost::asio::error::operation_aborted || ec == boost::beast::error::timeout)
    return finish();
  failure why{sotto::ec::invalid, "the request is not valid HTTP: " + ec.message(), {}};
  unsigned status = 400;
  if (ec == http::error::header_limit) {
    why.message = "the head of the request is too large";
    status = 431;
  } else if (ec == http::error::body_limit) {
    why = {sotto::ec::too_large,
           "the body is larger than " + std::to_string(limits_.max_body) + " bytes",
           {}};
    status = 413;
  }
  keep_alive_ = head_only_ = false;
  busy_ = linger_ = true;
  trace_refusal(priority::normal, "not valid HTTP");
  auto answer = error_answer(why);
  answer.status = status;
  send(std::move(answer));
}

// -- the end ------------------------------------------------------------------------------------

void http_session::finish() {
  if (auto next = successor_.lock())
    return next->finish();
  if (std::exchange(closed_, true))
    return;
  idle_no_more();
  place_.reset();
  room_.reset();
  unread_.reset();
  if (watchdog_)
    watchdog_->cancel();
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.close();
  auto events = std::exchange(events_, {});
  if (events.closed)
    events.closed();
}

void http_session::drain() {
  if (auto next = successor_.lock())
    return next->drain();
  keep_alive_ = false;
  if (!busy_)
    finish();
}

void http_session::check_caller() {
  constexpr uint16_t policy_violation = 1008; // RFC 6455, 7.4.1
  if (auto next = successor_.lock(); next && !gate_->door.holds(who_, gate_->wall()))
    next->close(policy_violation, "the API key is no longer valid");
}

void http_session::upgrade() {
  auto path = text(parser_->get().target());
  if (path.substr(0, path.find('?')) != actors_path) {
    keep_alive_ = head_only_ = false;
    busy_ = true;
    return send(error_answer({sotto::ec::not_found, "WebSockets are served at /v1/actors", {}}));
  }
  stream_.expires_never();
  meet_owner();
  events_.admitted(who_);
  closed_ = true; // this object's part ends here; CONNECTION goes on writing through it
  auto next = std::make_shared<websocket_session>(
      std::move(stream_), limits_, std::move(place_),
      std::make_unique<body_room::part>(gate_->bodies, tenant_number(who_.tenant)),
      std::make_unique<body_room::part>(gate_->answers, tenant_number(who_.tenant)));
  successor_ = next;
  next->start(parser_->release(), std::exchange(events_, {}));
  // A WebSocket lives long: nothing of this is needed any more.
  parser_.reset();
  buffer_ = {};
}

void http_session::frame(std::string bytes) {
  if (auto next = successor_.lock())
    next->frame(std::move(bytes));
}

void http_session::close(uint16_t code, std::string reason) {
  if (auto next = successor_.lock())
    next->close(code, std::move(reason));
}

void http_session::taken(size_t frames, size_t bytes) {
  if (auto next = successor_.lock())
    next->taken(frames, bytes);
}

size_t http_session::unsent() const {
  auto next = successor_.lock();
  return next ? next->unsent() : 0;
}

} // namespace sotto
