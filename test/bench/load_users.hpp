#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "messages/frontend.hpp"
#include "test/bench/bare_server.hpp"
#include "test/bench/talk.hpp"

namespace sotto::bench {

/// What went wrong, by reason.
class failure_counts {
public:
  void add(std::string_view why) {
    constexpr size_t most_reasons = 20, longest = 160;
    ++sum_;
    std::string reason{why.substr(0, longest)};
    if (reasons_.size() >= most_reasons && !reasons_.contains(reason))
      reason = "for other reasons";
    ++reasons_[reason];
  }

  size_t sum() const { return sum_; }

  /// One line a reason, the most frequent first.
  std::string text() const {
    std::vector<std::pair<size_t, std::string>> sorted;
    for (auto& [why, n] : reasons_)
      sorted.emplace_back(n, why);
    std::sort(sorted.rbegin(), sorted.rend());
    std::string result;
    for (auto& [n, why] : sorted)
      result += fmt::format("  {} x {}\n", n, why);
    return result;
  }

private:
  std::map<std::string, size_t> reasons_;
  size_t sum_ = 0;
};

/// Why a reply is none: its status, and what its error says.
inline std::string reason_of(const http_client::answer& x) {
  if (x.status == 0)
    return std::string{x.text};
  constexpr std::string_view field = R"("message":")";
  auto body = x.text.substr(std::min(x.head, x.text.size()));
  if (auto at = body.find(field); at != std::string_view::npos)
    body = body.substr(at + field.size(), body.find('"', at + field.size()) - at - field.size());
  return fmt::format("status {}: {}", x.status, body);
}

/// What all users of one run write into.
struct tally {
  bool counting = false;
  bool over = false;
  /// All turns, also those before and after the measurement.
  size_t turns = 0;
  std::vector<double> took;
  size_t refused = 0;
  /// Turns that were sent and have no answer yet.
  size_t under_way = 0;
  failure_counts failures;
  size_t bytes = 0;

  void replied(steady::time_point since, size_t size) {
    ++turns;
    if (!counting)
      return;
    took.push_back(seconds_since(since));
    bytes += size;
  }
  void failed(std::string_view why) { failures.add(why); }
};

/// Who says the next turn; the argument is the number of the connection.
using naming = std::function<std::string(size_t)>;

inline std::string own_name(size_t number) {
  return fmt::format("bench-{}", number);
}

/// A connection that is kept, or a new one for each turn: says something, waits for the reply, goes
/// on.
class http_user : public std::enable_shared_from_this<http_user> {
public:
  http_user(asio::io_context& io, const tcp::endpoint& to, size_t number, tally& counts, bool anew,
            naming name)
      : connection_(std::make_shared<http_client>(io, to)), name_(std::move(name)), number_(number),
        counts_(counts), talk_(number), anew_(anew) {}

  void say() {
    if (counts_.over)
      return connection_->close();
    since_ = steady::now();
    ++counts_.under_way;
    connection_->send(
        turn_request_text(name_(number_), talk_.next()),
        [self = shared_from_this()](const http_client::answer& x) { self->replied(x); });
  }

private:
  void replied(const http_client::answer& x) {
    constexpr unsigned ok = 200, overloaded = 429;
    --counts_.under_way;
    if (x.status == ok && x.text.find("\"choices\"") != std::string_view::npos)
      counts_.replied(since_, x.text.size() - x.head);
    else if (x.status == overloaded)
      counts_.refused += counts_.counting ? 1 : 0;
    else
      counts_.failed(reason_of(x));
    if (anew_)
      connection_->reset();
    if (x.status != 0)
      say();
  }

  std::shared_ptr<http_client> connection_;
  naming name_;
  size_t number_;
  tally& counts_;
  talk talk_;
  bool anew_;
  steady::time_point since_;
};

/// A frontend: one WebSocket that speaks msgpack, on which up to 50 users talk.
class socket_users : public std::enable_shared_from_this<socket_users> {
public:
  static constexpr size_t most = 50;

  socket_users(asio::io_context& io, const tcp::endpoint& to, size_t first, size_t users,
               tally& counts)
      : stream_(io), to_(to), first_(first), users_(users), counts_(counts), talk_(first) {}

  void start() {
    auto& socket = beast::get_lowest_layer(stream_);
    socket.async_connect(to_, [self = shared_from_this()](error_code ec) {
      if (ec)
        return self->counts_.failed("connect: " + ec.message());
      beast::get_lowest_layer(self->stream_).socket().set_option(tcp::no_delay{true});
      self->shake_hands();
    });
  }

private:
  void shake_hands() {
    stream_.set_option(websocket::stream_base::decorator([](websocket::request_type& x) {
      x.set(http::field::sec_websocket_protocol, "sotto.msgpack.v1");
    }));
    stream_.binary(true);
    stream_.async_handshake("bench", "/v1/actors", [self = shared_from_this()](error_code ec) {
      if (ec)
        return self->counts_.failed("handshake: " + ec.message());
      self->since_.resize(self->users_);
      for (size_t i = 0; i < self->users_; ++i)
        self->say(i);
      self->read();
    });
  }

  void say(size_t i) {
    since_[i] = steady::now();
    ++counts_.under_way;
    nlohmann::json call{
        {"type", "say"},
        {"body", {{"user", fmt::format("socket-{}", first_ + i)}, {"text", talk_.next()}}},
        {"id", fmt::format("{:04}", i)}};
    unsent_.push_back(to_msgpack(call));
    write();
  }

  void write() {
    if (writing_ || unsent_.empty())
      return;
    writing_ = true;
    sending_ = std::move(unsent_.front());
    unsent_.erase(unsent_.begin());
    stream_.async_write(asio::buffer(sending_), [self = shared_from_this()](error_code ec, size_t) {
      self->writing_ = false;
      if (!ec)
        self->write();
    });
  }

  void read() {
    buffer_.clear();
    stream_.async_read(buffer_, [self = shared_from_this()](error_code ec, size_t) {
      if (ec)
        return self->counts_.over ? void() : self->counts_.failed("read: " + ec.message());
      self->replied({static_cast<const char*>(self->buffer_.data().data()), self->buffer_.size()});
      if (self->counts_.over && self->running() == 0)
        return;
      self->read();
    });
  }

  size_t running() const { return users_ - ended_; }

  void replied(std::string_view frame) {
    constexpr std::string_view field = "\xa2id\xa4";
    constexpr size_t digits = 4;
    auto at = frame.rfind(field);
    size_t i = 0;
    if (at == std::string_view::npos
        || std::from_chars(frame.data() + at + field.size(),
                           frame.data() + at + field.size() + digits, i)
                   .ec
               != std::errc{}
        || i >= users_)
      return counts_.failed("an answer without its call's name");
    --counts_.under_way;
    if (frame.ends_with("\xa5reply"))
      counts_.replied(since_[i], frame.size());
    else if (frame.find("overloaded") != std::string_view::npos)
      counts_.refused += counts_.counting ? 1 : 0;
    else
      counts_.failed("no reply: " + printable(frame));
    if (counts_.over)
      ++ended_;
    else
      say(i);
  }

  /// What can be read of a frame.
  static std::string printable(std::string_view frame) {
    std::string result;
    for (char c : frame.substr(0, 200))
      result += c >= ' ' && c < '\x7f' ? c : '.';
    return result;
  }

  websocket::stream<beast::tcp_stream> stream_;
  tcp::endpoint to_;
  size_t first_, users_;
  tally& counts_;
  talk talk_;
  beast::flat_buffer buffer_;
  std::vector<steady::time_point> since_;
  std::vector<std::string> unsent_;
  std::string sending_;
  bool writing_ = false;
  size_t ended_ = 0;
};

struct load_result {
  double per_second = 0;
  double p50 = 0, p99 = 0; // ms
  size_t refused = 0;
  size_t body = 0;  // mean size in bytes
  size_t turns = 0; // all, also those before and after the measurement
  size_t unanswered = 0;
  failure_counts failures;

  /// What went wrong, in lines; nothing where nothing did.
  std::string troubles() const {
    auto text = failures.text();
    if (unanswered > 0)
      text += fmt::format("  {} x not answered in ten seconds\n", unanswered);
    if (per_second <= 0)
      text += fmt::format("  no turn was completed; {} were refused\n", refused);
    return text;
  }
};

/// Lets `users` talk for `seconds`, after a second to warm up; over HTTP the first `anew` of them
/// connect anew for each turn, and `name` says who they are.
inline load_result load(const tcp::endpoint& to, size_t users, double seconds, bool sockets,
                        size_t anew = 0, const naming& name = own_name) {
  asio::io_context io{1};
  tally counts;
  if (sockets)
    for (size_t i = 0; i < users; i += socket_users::most)
      std::make_shared<socket_users>(io, to, i, std::min(socket_users::most, users - i), counts)
          ->start();
  else
    for (size_t i = 0; i < users; ++i)
      std::make_shared<http_user>(io, to, i, counts, i < anew, name)->say();
  io.run_for(std::chrono::seconds{1});
  counts.counting = true;
  auto start = steady::now();
  io.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(seconds)));
  auto spent = seconds_since(start);
  counts.counting = false;
  counts.over = true;
  io.run_for(std::chrono::seconds{10}); // the turns under way
  load_result x;
  x.refused = counts.refused;
  x.failures = counts.failures;
  x.unanswered = counts.under_way;
  x.turns = counts.turns;
  auto& took = counts.took;
  if (took.empty())
    return x;
  std::sort(took.begin(), took.end());
  x.per_second = static_cast<double>(took.size()) / spent;
  x.p50 = took[took.size() / 2] * 1e3;
  x.p99 = took[took.size() * 99 / 100] * 1e3;
  x.body = counts.bytes / took.size();
  return x;
}

} // namespace sotto::bench
