#pragma once

#include <atomic>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/store_fixture.hpp"

namespace sotto::test {

/// Stands between a store and PostgreSQL, and cuts connections where a test wants it.
class postgres_proxy {
public:
  postgres_proxy() {
    auto url = postgres_url();
    target_ = url.substr(url.find("host=") + 5) + "/.s.PGSQL.5432";
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = address_of((dir_.path / ".s.PGSQL.5432").string());
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener_, 8) == 0);
    thread_ = std::thread{[this] { run(); }};
  }
  ~postgres_proxy() {
    stopped_ = true;
    thread_.join();
    for (auto& x : pairs_)
      close(x);
    ::close(listener_);
  }

  std::string url() const { return "postgresql://sotto@/postgres?host=" + dir_.path.string(); }

  /// The next answer of the server is thrown away and its connection closed; new ones are refused
  /// until `open`.
  void cut_at_answer() { cut_ = true; }
  /// All connections are closed and new ones refused.
  void shut() { closed_ = true; }
  void open() { closed_ = false; }
  bool is_shut() const { return closed_; }

private:
  struct pair {
    int client, server;
  };

  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof out.sun_path);
    path.copy(out.sun_path, path.size());
    return out;
  }

  static void close(pair& x) {
    ::close(x.client);
    ::close(x.server);
    x = {-1, -1};
  }

  void run() {
    while (!stopped_) {
      std::vector<pollfd> all{{listener_, POLLIN, 0}};
      for (auto& x : pairs_) {
        all.push_back({x.client, POLLIN, 0});
        all.push_back({x.server, POLLIN, 0});
      }
      ::poll(all.data(), all.size(), 5);
      for (size_t i = 0; i < pairs_.size(); ++i)
        serve(pairs_[i], all[2 * i + 1].revents, all[2 * i + 2].revents);
      std::erase_if(pairs_, [](auto& x) { return x.client < 0; });
      if (all[0].revents)
        accept_one();
    }
  }

  void serve(pair& x, short from_client, short from_server) {
    if (closed_ || (from_client && !move(x.client, x.server, false))
        || (from_server && !move(x.server, x.client, true)))
      close(x);
  }

  bool move(int from, int to, bool answer) {
    char buffer[65536];
    auto size = ::read(from, buffer, sizeof buffer);
    if (size > 0 && answer && cut_.exchange(false)) {
      closed_ = true;
      return false;
    }
    return size > 0 && send(to, buffer, static_cast<size_t>(size), MSG_NOSIGNAL) == size;
  }

  void accept_one() {
    pair x{accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), -1};
    x.server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = address_of(target_);
    if (closed_ || connect(x.server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      close(x);
    else
      pairs_.push_back(x);
  }

  scratch dir_;
  std::string target_;
  int listener_ = -1;
  std::vector<pair> pairs_;
  std::atomic<bool> stopped_{false}, cut_{false}, closed_{false};
  std::thread thread_;
};

} // namespace sotto::test
