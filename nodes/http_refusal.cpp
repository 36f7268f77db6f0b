// What a socket does with a request that the node is too busy for: the body is thrown away, the
// connection kept, and the answer written without a message to anybody.
#include <algorithm>

#include <fmt/format.h>

#include "nodes/http_session_impl.hpp"
#include "nodes/refusal_gate.hpp"

namespace sotto {

namespace {

/// A body up to this size is read and thrown away; for a larger one the connection is closed.
constexpr uint64_t most_read = 64 << 10;

bool is_turn(boost::beast::string_view target) {
  auto path = target.substr(0, target.find('?'));
  return path == "/v1/chat/completions" || path == "/api/chat" || path == "/api/chat/batch";
}

constexpr const char body[] =
    R"({{"error":{{"message":"the node is overloaded; try again later, or at a higher priority",)"
    R"("type":"rate_limit_error","code":"overloaded","param":null,"retry_after":{}}}}})";
// The original's surface has plain errors.
constexpr auto plain_body =
    R"({"error":"the node is overloaded; try again later","success":false})";

} // namespace

bool http_session::turned_away() {
  auto& request = parser_->get();
  if (!gate_->overload || request.method() != http::verb::post || !is_turn(request.target()))
    return false;
  auto given = request["Sotto-Priority"];
  auto level = priority_from({given.data(), given.size()}).value_or(priority::normal);
  level = std::max(level, who_.ceiling); // a key's ceiling holds here too
  auto refused = gate_->overload->refuses(level, tenant_number(who_.tenant));
  auto again = std::exchange(refused_before_, refused);
  if (!refused)
    return false;
  trace_refusal(level, "overload:refuse");
  busy_ = true;
  keep_alive_ = request.keep_alive();
  head_only_ = false;
  auto length = parser_->content_length();
  auto waits = boost::beast::iequals(request[http::field::expect], "100-continue");
  linger_ = waits || (!parser_->is_done() && (!length || *length > most_read));
  if (linger_)
    keep_alive_ = false;
  stream_.expires_after(limits_.body_timeout);
  drop_body(linger_ || parser_->is_done() ? 0 : *length, level, again);
  return true;
}

void http_session::trace_refusal(priority level, const char* why) {
  auto traced = [](auto& header) { return header.first == "Sotto-Trace"; };
  if (!gate_->trace || std::any_of(also_.begin(), also_.end(), traced))
    return;
  auto given = parser_->get()["traceparent"];
  auto trace = gate_->trace({{given.data(), given.size()}, level, tenant_number(who_.tenant)}, why);
  also_.emplace_back("Sotto-Trace", trace);
  also_.emplace_back("x-request-id", std::move(trace));
}

void http_session::drop_body(uint64_t left, priority level, bool again) {
  auto here = std::min<uint64_t>(left, buffer_.size());
  buffer_.consume(here);
  left -= here;
  if (left == 0) {
    stream_.expires_never();
    // Nothing else keeps a socket that no CONNECTION was made for.
    ++round_;
    watch(); // who hangs up while the answer is held takes no place any more
    return gate_->overload->refuse(
        level, again, [self = shared_from_this()] { self->tell_refusal(); },
        [self = shared_from_this()] { self->finish(); });
  }
  stream_.async_read_some(buffer_.prepare(16 * 1024), [self = shared_from_this(), left, level,
                                                       again](error_code ec, size_t size) {
    if (ec)
      return self->finish();
    self->buffer_.commit(size);
    self->drop_body(left, level, again);
  });
}

void http_session::tell_refusal() {
  if (closed_)
    return;
  auto target = parser_->get().target();
  auto plain = target.starts_with("/api/");
  auto after = gate_->overload->retry_after();
  auto text = plain ? std::string{plain_body} : fmt::format(body, after);
  std::string more = keep_alive_ ? "" : "Connection: close\r\n";
  for (auto& [name, value] : also_)
    more += fmt::format("{}: {}\r\n", name, value);
  auto whole = std::make_shared<std::string>(fmt::format(
      "HTTP/1.1 429 Too Many Requests\r\nServer: sotto\r\nContent-Type: application/json\r\n"
      "Retry-After: {}\r\nSotto-Overload: refuse\r\n{}Content-Length: {}\r\n\r\n{}",
      after, more, text.size(), text));
  stream_.expires_after(limits_.idle_timeout);
  boost::asio::async_write(
      stream_, boost::asio::buffer(*whole),
      [self = shared_from_this(), whole](error_code ec, size_t) { self->answered(ec); });
}

} // namespace sotto
