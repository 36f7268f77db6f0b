// What a socket writes: whole answers, and streams piece by piece.
#include "nodes/http_session_impl.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

constexpr auto linger_timeout = std::chrono::seconds{2};
constexpr auto farewell_timeout = std::chrono::seconds{2};

template <class Body>
void set_head(http::response<Body>& to, http_answer& from,
              const std::vector<std::pair<std::string, std::string>>& also, bool keep_alive) {
  to.version(11);
  to.result(from.status);
  to.set(http::field::server, "sotto");
  if (!from.content_type.empty())
    to.set(http::field::content_type, from.content_type);
  for (auto* headers : {&std::as_const(from.headers), &also})
    for (auto& [name, value] : *headers)
      to.insert(name, value);
  to.keep_alive(keep_alive);
}

} // namespace

void http_session::respond(http_answer answer) {
  boost::asio::post(stream_.get_executor(),
                    [self = shared_from_this(), answer = std::move(answer)]() mutable {
                      self->send(std::move(answer));
                    });
}

void http_session::send(http_answer answer) {
  if (!busy_ || closed_)
    return;
  if (!has_room_unread(answer.body.size()) && may_ask_again())
    answer = error_answer({sotto::ec::overloaded,
                           "more waits to be read by clients than the node has room for; ask again "
                           "later, or for less",
                           {},
                           1});
  auto response = std::make_shared<http::response<http::string_body>>();
  set_head(*response, answer, also_, keep_alive_);
  response->body() = std::move(answer.body);
  response->prepare_payload();
  if (head_only_)
    response->body().clear(); // the length stays that of the body
  stream_.expires_after(limits_.idle_timeout);
  http::async_write(
      stream_, *response,
      [self = shared_from_this(), response](error_code ec, size_t) { self->answered(ec); });
}

/// Whether an answer that is not told changes nothing.
bool http_session::may_ask_again() const {
  auto& request = parser_->get();
  auto path = request.target().substr(0, request.target().find('?'));
  return request.method() == http::verb::get || path == "/v1/memories/search"
         || path == "/v1/embeddings" || path == "/v1/emotions";
}

/// For so much that its client has not read.
bool http_session::has_room_unread(size_t bytes) {
  if (bytes <= body_room::part::free && !unread_)
    return true;
  if (!unread_)
    unread_ = std::make_unique<body_room::part>(gate_->answers, tenant_number(who_.tenant));
  return unread_->hold(bytes);
}

void http_session::answered(error_code ec) {
  busy_ = false;
  unread_.reset();
  if (!ec && linger_ && !closed_)
    return linger();
  if (ec || closed_)
    return finish();
  if (!keep_alive_)
    return part();
  read_head(false);
}

// TLS says that it is over, so that the other side can tell this from a cut.
void http_session::part() {
  auto* tls = stream_.secured();
  if (!tls)
    return finish();
  stream_.expires_after(farewell_timeout);
  tls->async_shutdown([self = shared_from_this()](error_code) { self->finish(); });
}

// A client that still sends would be reset, and lose the answer, if the socket closed at once: what
// it sends is thrown away for a while first.
void http_session::linger() {
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.expires_after(linger_timeout);
  drop_rest();
}

void http_session::drop_rest() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(64 * 1024),
                          [self = shared_from_this()](error_code ec, size_t size) {
                            auto enough = size > self->droppable_;
                            self->droppable_ -= std::min(size, self->droppable_);
                            if (ec || enough)
                              self->finish();
                            else
                              self->drop_rest();
                          });
}

void http_session::begin(http_answer head) {
  boost::asio::post(stream_.get_executor(),
                    [self = shared_from_this(), head = std::move(head)]() mutable {
                      self->start_stream(std::move(head));
                    });
}

void http_session::start_stream(http_answer head) {
  if (!busy_ || closed_)
    return;
  head_ = std::make_shared<http::response<http::empty_body>>();
  set_head(*head_, head, also_, keep_alive_);
  head_->chunked(true);
  serializer_ = std::make_shared<http::response_serializer<http::empty_body>>(*head_);
  streaming_ = true;
  writing_ = true;
  stream_.expires_after(limits_.idle_timeout);
  http::async_write_header(
      stream_, *serializer_,
      [self = shared_from_this()](error_code ec, size_t) { self->wrote_piece(ec); });
}

void http_session::piece(std::string bytes) {
  boost::asio::post(stream_.get_executor(),
                    [self = shared_from_this(), bytes = std::move(bytes)]() mutable {
                      self->add_piece(std::move(bytes));
                    });
}

void http_session::add_piece(std::string bytes) {
  if (!streaming_ || closed_)
    return;
  unsent_ += bytes;
  if (unsent_.size() > limits_.max_unsent || !has_room_unread(unsent_.size() + sending_.size()))
    return finish(); // too slow a reader
  write_pieces();
}

void http_session::end() {
  boost::asio::post(stream_.get_executor(), [self = shared_from_this()] {
    self->ending_ = true;
    self->write_pieces();
  });
}

void http_session::write_pieces() {
  if (!streaming_ || writing_ || closed_)
    return;
  auto last = unsent_.empty();
  if (last && !ending_)
    return;
  writing_ = true;
  sending_ = std::exchange(unsent_, {});
  stream_.expires_after(limits_.idle_timeout);
  auto done = [self = shared_from_this(), last](error_code ec, size_t) {
    if (!last || ec)
      return self->wrote_piece(ec);
    self->streaming_ = self->writing_ = self->ending_ = false;
    self->answered(ec);
  };
  if (last)
    boost::asio::async_write(stream_, http::make_chunk_last(), done);
  else
    boost::asio::async_write(stream_, http::make_chunk(boost::asio::buffer(sending_)), done);
}

void http_session::wrote_piece(error_code ec) {
  writing_ = false;
  if (ec)
    return finish();
  stream_.expires_never();
  sending_.clear();
  has_room_unread(unsent_.size()); // less than there was
  write_pieces();
}

} // namespace sotto
