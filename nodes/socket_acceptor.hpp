#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <caf/timespan.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "nodes/socket_server.hpp"
#include "runtime/clock.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// A port of the node: accepts sockets, starts a `Session` for each, and waits for the last of them
/// when it is drained. `Interface` (a `socket_server`) is how others see the port. Owned by its own
/// operations while it accepts; but for the constructor and `bind`, everything happens on the
/// reactor's thread.
template <class Interface, class Session>
class socket_acceptor : public Interface,
                        public std::enable_shared_from_this<socket_acceptor<Interface, Session>> {
public:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;
  using tls_context = socket_server::tls_context;

  error_code bind(const tcp::endpoint& at, int backlog) {
    error_code ec;
    acceptor_.open(at.protocol(), ec);
    if (!ec)
      acceptor_.set_option(tcp::acceptor::reuse_address{true}, ec);
    if (!ec)
      acceptor_.bind(at, ec);
    if (!ec)
      acceptor_.listen(backlog, ec);
    if (!ec)
      bound_ = acceptor_.local_endpoint(ec);
    return ec;
  }

  void accept() {
    acceptor_.async_accept([self = this->shared_from_this()](error_code ec, tcp::socket socket) {
      if (!self->acceptor_.is_open())
        return;
      if (ec)
        return self->accept_later(ec);
      self->start(std::move(socket));
      self->accept();
    });
  }

  std::string address() const override {
    auto host = bound_.address().to_string();
    return bound_.address().is_v6() ? fmt::format("[{}]:{}", host, bound_.port())
                                    : fmt::format("{}:{}", host, bound_.port());
  }

  void use(tls_context tls) override {
    post([tls = std::move(tls)](auto& self) { self.tls_ = tls; });
  }

  /// Runs `what(*this)` on the reactor's thread.
  template <class F>
  void post(F what) {
    boost::asio::post(acceptor_.get_executor(),
                      [self = this->shared_from_this(), what = std::move(what)] { what(*self); });
  }

  /// Accepts no more.
  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }

  void keep(std::weak_ptr<Session> made) {
    if (sessions_.size() >= next_sweep_) {
      std::erase_if(sessions_, [](auto& x) { return x.expired(); });
      next_sweep_ = std::max<size_t>(64, 2 * sessions_.size());
    }
    sessions_.push_back(std::move(made));
  }

  const std::vector<std::weak_ptr<Session>>& sessions() const { return sessions_; }

  template <class F>
  void each(F act) {
    auto all = sessions_;
    for (auto& x : all)
      if (auto session = x.lock())
        act(*session);
  }

  /// Runs `first` on the reactor's thread, then waits until no socket is open, and after `limit`
  /// ends those that are left.
  template <class F>
  void await_none(caf::timespan limit, F first) {
    std::promise<void> done;
    auto ended = done.get_future();
    post([&done, first, until = monotonic_nanos() + limit.count()](auto& self) {
      first(self);
      self.look_again(done, until);
    });
    ended.wait();
  }

  const tls_context& tls() const { return tls_; }

protected:
  /// `who`: who connects, for the log.
  socket_acceptor(reactor& io, tls_context tls, const char* who)
      : acceptor_(io.io()), retry_(io.io()), tls_(std::move(tls)), who_(who) {}

  /// A socket came in: makes a session of it, or closes it.
  virtual void start(tcp::socket socket) = 0;

private:
  // Out of descriptors, most likely: they come back as sockets close.
  void accept_later(error_code ec) {
    spdlog::warn("a connection of {} cannot be accepted: {}", who_, ec.message());
    retry_.expires_after(std::chrono::milliseconds{100});
    retry_.async_wait([self = this->shared_from_this()](error_code) {
      if (self->acceptor_.is_open())
        self->accept();
    });
  }

  // Sockets end on their own; looking every few milliseconds is simpler than being told. Whoever
  // waits for `done` holds it.
  void look_again(std::promise<void>& done, int64_t until) {
    auto late = monotonic_nanos() >= until;
    if (late)
      each([](Session& x) { x.finish(); });
    if (late || this->counts()->open == 0)
      return done.set_value();
    retry_.expires_after(std::chrono::milliseconds{5});
    retry_.async_wait([self = this->shared_from_this(), &done, until](error_code) {
      self->look_again(done, until);
    });
  }

  tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  tls_context tls_;
  const char* who_;
  std::vector<std::weak_ptr<Session>> sessions_;
  size_t next_sweep_ = 64;
  tcp::endpoint bound_;
};

} // namespace sotto
