// Turns over HTTP, beside a bare server of the same reply size:
//   turns_bench HOST:PORT [USERS... [--seconds N]]
// The load comes from one thread with a kept-alive connection a user, each of which says something,
// waits for the reply, and goes on. The bare server is a process of its own, as the node is.
#include <utility> // before Asio of Boost 1.74, for its awaitable.hpp

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/talk.hpp"

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using steady = std::chrono::steady_clock;

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "turns_bench: " << why << '\n';
  std::exit(1);
}

// -- the load ---------------------------------------------------------------------------------

/// What all users of one run write into.
struct tally {
  bool counting = false;
  bool over = false;
  std::vector<double> took;
  size_t errors = 0;
  size_t bytes = 0;
  std::string last_error;
};

/// One user's connection: a request, its reply, the next request, until the run is over.
class user : public std::enable_shared_from_this<user> {
public:
  user(asio::io_context& io, const tcp::endpoint& to, size_t number, tally& counts)
      : socket_(io), to_(to), number_(number), counts_(counts), talk_(number) {}

  void start() {
    socket_.async_connect(to_, [self = shared_from_this()](error_code ec) {
      if (ec)
        return self->fail("connect: " + ec.message());
      self->socket_.set_option(tcp::no_delay{true});
      self->say();
    });
  }

private:
  void say() {
    if (counts_.over)
      return socket_.close();
    auto body = fmt::format(
        R"({{"model":"companion","user":"bench-{}","messages":[{{"role":"user","content":"{}"}}]}})",
        number_, talk_.next());
    request_ = fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
                           "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                           body.size(), body);
    since_ = steady::now();
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
    if (counts_.counting) {
      auto ok = reply_.starts_with("HTTP/1.1 200") && reply_.find("\"choices\"") < whole;
      if (ok) {
        counts_.took.push_back(std::chrono::duration<double>(steady::now() - since_).count());
        counts_.bytes += whole - head;
      } else {
        ++counts_.errors;
        counts_.last_error = reply_.substr(0, std::min<size_t>(whole, 400));
      }
    }
    reply_.erase(0, whole);
    say();
  }

  void fail(std::string why) {
    ++counts_.errors;
    counts_.last_error = std::move(why);
    error_code ignored;
    socket_.close(ignored);
  }

  tcp::socket socket_;
  tcp::endpoint to_;
  size_t number_;
  tally& counts_;
  sotto::bench::talk talk_;
  std::string request_;
  std::string reply_;
  steady::time_point since_;
};

struct result {
  double per_second = 0;
  double p50 = 0, p99 = 0; // ms
  size_t errors = 0;
  size_t body = 0; // mean size in bytes
  std::string last_error;
};

result load(const tcp::endpoint& to, size_t users, double seconds) {
  asio::io_context io{1};
  tally counts;
  for (size_t i = 0; i < users; ++i)
    std::make_shared<user>(io, to, i, counts)->start();
  io.run_for(std::chrono::seconds{1}); // warm-up
  counts.counting = true;
  auto start = steady::now();
  io.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(seconds)));
  auto spent = std::chrono::duration<double>(steady::now() - start).count();
  counts.counting = false;
  counts.over = true;
  io.run_for(std::chrono::seconds{10}); // the turns under way
  result x;
  x.errors = counts.errors;
  x.last_error = counts.last_error;
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

// -- the bare server --------------------------------------------------------------------------

/// Answers every request with the same bytes, by Beast, kept alive.
class bare_session : public std::enable_shared_from_this<bare_session> {
public:
  bare_session(tcp::socket socket, const std::string& body)
      : stream_(std::move(socket)), body_(body) {}

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](error_code ec, size_t) {
                       if (!ec)
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
    http::async_write(stream_, response_, [self = shared_from_this()](error_code ec, size_t) {
      if (!ec)
        self->read();
    });
  }

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
  const std::string& body_;
};

void accept(tcp::acceptor& at, const std::string& body) {
  at.async_accept([&](error_code ec, tcp::socket socket) {
    if (ec)
      return;
    socket.set_option(tcp::no_delay{true});
    std::make_shared<bare_session>(std::move(socket), body)->read();
    accept(at, body);
  });
}

[[noreturn]] void serve(int listening, size_t size) {
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

/// Runs the same load against a bare server in a child process.
result load_bare(size_t size, size_t users, double seconds) {
  asio::io_context io;
  tcp::acceptor at{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
  auto endpoint = at.local_endpoint();
  auto child = fork();
  if (child < 0)
    stop("cannot fork");
  if (child == 0)
    serve(at.release(), size);
  auto x = load(endpoint, users, seconds);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return x;
}

// -- the program ------------------------------------------------------------------------------

struct arguments {
  tcp::endpoint node;
  std::vector<size_t> users;
  double seconds = 5;
};

template <class T>
T number(std::string_view text) {
  T x{};
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (ec != std::errc{} || end != text.data() + text.size() || x <= 0)
    stop(fmt::format("'{}' is no number above 0", text));
  return x;
}

arguments read_arguments(const std::vector<std::string>& from) {
  if (from.empty())
    stop("give HOST:PORT of a node, and the numbers of users");
  arguments x;
  auto colon = from[0].rfind(':');
  error_code ec;
  auto host = asio::ip::make_address(from[0].substr(0, colon), ec);
  if (ec || colon == std::string::npos)
    stop(fmt::format("'{}' is no address such as 127.0.0.1:7700", from[0]));
  x.node = {host, number<uint16_t>(from[0].substr(colon + 1))};
  for (size_t i = 1; i < from.size(); ++i) {
    if (from[i] == "--seconds" && i + 1 < from.size())
      x.seconds = number<double>(from[++i]);
    else
      x.users.push_back(number<size_t>(from[i]));
  }
  if (x.users.empty())
    x.users = {10, 50, 100, 250};
  return x;
}

} // namespace

int main(int argc, char** argv) {
  auto with = read_arguments({argv + std::min(argc, 1), argv + argc});
  auto failed = false;
  for (auto users : with.users) {
    auto turns = load(with.node, users, with.seconds);
    auto bare = load_bare(turns.body, users, with.seconds);
    fmt::print(
        R"({{"name":"turns","users":{},"unit":"turns/s","value":{:.0f},"p50_ms":{:.2f},"p99_ms":{:.2f},)"
        R"("errors":{},"body_bytes":{},"bare":{:.0f},"bare_p99_ms":{:.2f},"ratio":{:.3f}}})"
        "\n",
        users, turns.per_second, turns.p50, turns.p99, turns.errors, turns.body, bare.per_second,
        bare.p99, bare.per_second > 0 ? turns.per_second / bare.per_second : 0);
    std::fflush(stdout);
    if (turns.errors > 0) {
      std::cerr << "turns_bench: last error: " << turns.last_error << '\n';
      failed = true;
    }
  }
  return failed ? 1 : 0;
}
