// Turns over HTTP and over WebSockets, beside a bare server of the same reply size:
//   load_bench HOST:PORT [USERS... [--seconds N]]
// The load comes from one thread. Over HTTP every user has a kept-alive connection; over WebSockets
// fifty users share one, as those of a bot do. Each user says something, waits for the reply, and
// goes on. The bare server is a process of its own, as the node is.
#include "test/bench/load_users.hpp"

#include <iostream>

namespace {

using namespace sotto::bench;

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "load_bench: " << why << '\n';
  std::exit(1);
}

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
  auto node = from.empty() ? std::nullopt : read_endpoint(from[0]);
  if (!node)
    stop("give HOST:PORT of a node, and the numbers of users");
  arguments x{*node, {}, 5};
  for (size_t i = 1; i < from.size(); ++i) {
    if (from[i] == "--seconds" && i + 1 < from.size())
      x.seconds = number<double>(from[++i]);
    else
      x.users.push_back(number<size_t>(from[i]));
  }
  if (x.users.empty())
    x.users = {10, 50, 100, 250, 1000};
  return x;
}

} // namespace

int main(int argc, char** argv) {
  auto with = read_arguments({argv + std::min(argc, 1), argv + argc});
  auto failed = false;
  auto told = [&](const std::string& whose, bool sockets, size_t users, const load_result& x) {
    auto troubles = x.troubles();
    if (troubles.empty())
      return;
    failed = true;
    std::cerr << fmt::format("load_bench: {}, {} users over {}:\n{}", whose, users,
                             sockets ? "WebSockets" : "HTTP", troubles);
  };
  for (auto sockets : {false, true}) {
    for (auto users : with.users) {
      auto turns = load(with.node, users, with.seconds, sockets);
      bare_server server{turns.body};
      auto bare = load(server.endpoint(), users, with.seconds, sockets);
      fmt::print(R"({{"name":"load","over":"{}","users":{},"unit":"turns/s","value":{:.0f},)"
                 R"("p50_ms":{:.2f},"p99_ms":{:.2f},"refused":{},"errors":{},"body_bytes":{},)"
                 R"("bare":{:.0f},"bare_p99_ms":{:.2f},"ratio":{:.3f}}})"
                 "\n",
                 sockets ? "websocket" : "http", users, turns.per_second, turns.p50, turns.p99,
                 turns.refused, turns.failures.sum(), turns.body, bare.per_second, bare.p99,
                 bare.per_second > 0 ? turns.per_second / bare.per_second : 0);
      std::fflush(stdout);
      told("the node", sockets, users, turns);
      told("the bare server", sockets, users, bare);
    }
  }
  return failed ? 1 : 0;
}
