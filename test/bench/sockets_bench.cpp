// Open WebSockets on /v1/actors, and turns while they are open:
//   sockets_bench HOST:PORT [CONNECTIONS [SECONDS]]
// The node's memory is read from its /metrics. Turns go one at a time, each over another socket.
#include <utility> // before Asio of Boost 1.74, for its awaitable.hpp

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

#include "test/bench/talk.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using steady = std::chrono::steady_clock;
using socket_stream = websocket::stream<tcp::socket, false>;

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "sockets_bench: " << why << '\n';
  std::exit(1);
}

double seconds_since(steady::time_point then) {
  return std::chrono::duration<double>(steady::now() - then).count();
}

/// Bytes of the node's resident memory.
double memory_of(asio::io_context& io, const tcp::endpoint& to) {
  tcp::socket socket{io};
  socket.connect(to);
  http::request<http::empty_body> ask{http::verb::get, "/metrics", 11};
  ask.set(http::field::host, "bench");
  ask.keep_alive(false);
  http::write(socket, ask);
  beast::flat_buffer buffer;
  http::response<http::string_body> answer;
  http::read(socket, buffer, answer);
  constexpr std::string_view name = "\nprocess_resident_memory_bytes ";
  auto at = answer.body().find(name);
  if (at == std::string::npos)
    stop("/metrics tells no process_resident_memory_bytes");
  return std::stod(answer.body().substr(at + name.size()));
}

/// Opens sockets, some at the same time, until there are so many.
class opener {
public:
  opener(asio::io_context& io, const tcp::endpoint& to, size_t count)
      : io_(io), to_(to), count_(count) {}

  std::vector<std::unique_ptr<socket_stream>> open() {
    for (size_t i = 0; i < 64; ++i)
      next();
    io_.restart();
    io_.run();
    return std::move(open_);
  }

private:
  void next() {
    if (started_ == count_)
      return;
    ++started_;
    auto made =
        std::make_shared<std::unique_ptr<socket_stream>>(std::make_unique<socket_stream>(io_));
    (*made)->set_option(websocket::stream_base::decorator([](websocket::request_type& x) {
      x.set(http::field::sec_websocket_protocol, "sotto.json.v1");
    }));
    (*made)->next_layer().async_connect(to_, [this, made](error_code ec) {
      if (ec)
        stop("connect: " + ec.message());
      (*made)->next_layer().set_option(tcp::no_delay{true});
      (*made)->async_handshake("bench", "/v1/actors", [this, made](error_code ec) {
        if (ec)
          stop(fmt::format("handshake of socket {}: {}", open_.size() + 1, ec.message()));
        open_.push_back(std::move(*made));
        next();
      });
    });
  }

  asio::io_context& io_;
  tcp::endpoint to_;
  size_t count_;
  size_t started_ = 0;
  std::vector<std::unique_ptr<socket_stream>> open_;
};

/// One turn over a socket; returns how long it took.
double say(socket_stream& to, size_t user, const std::string& text) {
  auto since = steady::now();
  to.write(asio::buffer(fmt::format(
      R"({{"id":1,"type":"say","body":{{"user":"bench-{}","text":"{}"}}}})", user, text)));
  beast::flat_buffer buffer;
  to.read(buffer);
  auto took = seconds_since(since);
  if (beast::buffers_to_string(buffer.data()).find("\"reply\"") == std::string::npos)
    stop("a turn was answered with " + beast::buffers_to_string(buffer.data()));
  return took;
}

void measure(std::vector<std::unique_ptr<socket_stream>>& sockets, double seconds) {
  sotto::bench::talk talk{7};
  std::mt19937_64 random{7};
  std::vector<double> took;
  auto user = [&] { return random() % 1000; };
  for (auto i = 0; i < 100; ++i)
    say(*sockets[random() % sockets.size()], user(), talk.next());
  for (auto since = steady::now(); seconds_since(since) < seconds;)
    took.push_back(say(*sockets[random() % sockets.size()], user(), talk.next()));
  std::sort(took.begin(), took.end());
  fmt::print(R"({{"bench":"sockets","what":"say","connections":{},"turns":{},"p50_ms":{:.2f},)"
             R"("p99_ms":{:.2f}}})"
             "\n",
             sockets.size(), took.size(), took[took.size() / 2] * 1e3,
             took[took.size() * 99 / 100] * 1e3);
}

void raise_limit(size_t wanted) {
  rlimit x{};
  getrlimit(RLIMIT_NOFILE, &x);
  x.rlim_cur = x.rlim_max;
  setrlimit(RLIMIT_NOFILE, &x);
  if (x.rlim_cur < wanted)
    stop(fmt::format("{} descriptors are allowed, {} are needed: raise `ulimit -Hn`", x.rlim_cur,
                     wanted));
}

} // namespace

int main(int argc, char** argv) try {
  std::string address = argc > 1 ? argv[1] : "";
  size_t count = argc > 2 ? std::stoul(argv[2]) : 10'000;
  double seconds = argc > 3 ? std::stod(argv[3]) : 5;
  auto colon = address.rfind(':');
  if (colon == std::string::npos || count == 0)
    stop("usage: sockets_bench HOST:PORT [CONNECTIONS [SECONDS]]");
  raise_limit(count + 64);
  tcp::endpoint to{asio::ip::make_address(address.substr(0, colon)),
                   static_cast<uint16_t>(std::stoul(address.substr(colon + 1)))};
  asio::io_context io{1};
  auto few = opener{io, to, 1}.open();
  measure(few, seconds);
  auto before = memory_of(io, to);
  auto since = steady::now();
  auto sockets = opener{io, to, count}.open();
  auto spent = seconds_since(since);
  auto bytes = (memory_of(io, to) - before) / static_cast<double>(count);
  fmt::print(R"({{"bench":"sockets","what":"open","connections":{},"per_second":{:.0f},)"
             R"("bytes_a_connection":{:.0f}}})"
             "\n",
             count, static_cast<double>(count) / spent, bytes);
  measure(sockets, seconds);
  return 0;
} catch (const std::exception& e) {
  stop(e.what());
}
