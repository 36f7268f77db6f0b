#include "nodes/http_server.hpp"

#include <boost/asio/steady_timer.hpp>

#include <charconv>
#include <future>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "messages/error.hpp"
#include "nodes/http_session_impl.hpp"
#include "runtime/clock.hpp"

namespace sotto {

namespace {

class server final : public http_server, public std::enable_shared_from_this<server> {
public:
  server(reactor& io, std::shared_ptr<gate> at, tls_context tls)
      : acceptor_(io.io()), retry_(io.io()), gate_(std::move(at)), tls_(std::move(tls)) {}

  error_code bind(const tcp::endpoint& at) {
    error_code ec;
    acceptor_.open(at.protocol(), ec);
    if (!ec)
      acceptor_.set_option(tcp::acceptor::reuse_address{true}, ec);
    if (!ec)
      acceptor_.bind(at, ec);
    if (!ec)
      acceptor_.listen(4096, ec);
    if (!ec)
      bound_ = acceptor_.local_endpoint(ec);
    return ec;
  }

  void accept() {
    acceptor_.async_accept([self = shared_from_this()](error_code ec, tcp::socket socket) {
      if (!self->acceptor_.is_open())
        return;
      if (ec)
        return self->accept_later(ec);
      if (self->make_room())
        self->start(std::move(socket));
      self->accept();
    });
  }

  /// Whether one more socket may come in. Ten thousand that connect and say nothing must not keep
  /// out those who do.
  bool make_room() {
    if (gate_->counts->open < gate_->limits.max_connections)
      return true;
    for (auto* idle : {&gate_->silent, &gate_->answered})
      if (!idle->empty()) {
        idle->front()->finish();
        return true;
      }
    return gate_->overload && gate_->overload->drop_oldest();
  }

  void start(tcp::socket socket) {
    error_code ec;
    auto from = socket.remote_endpoint(ec);
    auto place =
        ec ? nullptr : gate_->counts->take(from.address(), gate_->edge.max_connections_per_address);
    if (!place)
      return;
    client_stream::plain plain{std::move(socket)};
    auto made = std::make_shared<http_session>(tls_ ? client_stream{std::move(plain), *tls_}
                                                    : client_stream{std::move(plain)},
                                               gate_, std::move(place));
    if (sessions_.size() >= next_sweep_) {
      std::erase_if(sessions_, [](auto& x) { return x.expired(); });
      next_sweep_ = std::max<size_t>(64, 2 * sessions_.size());
    }
    sessions_.push_back(made);
    made->start();
  }

  // Out of descriptors, most likely: they come back as sockets close.
  void accept_later(error_code ec) {
    spdlog::warn("gateway cannot accept a connection: {}", ec.message());
    retry_.expires_after(std::chrono::milliseconds{100});
    retry_.async_wait([self = shared_from_this()](error_code) {
      if (self->acceptor_.is_open())
        self->accept();
    });
  }

  std::string address() const override {
    auto host = bound_.address().to_string();
    return bound_.address().is_v6() ? fmt::format("[{}]:{}", host, bound_.port())
                                    : fmt::format("{}:{}", host, bound_.port());
  }

  std::shared_ptr<const socket_counts> counts() const override { return gate_->counts; }

  void use(tls_context tls) override {
    boost::asio::post(acceptor_.get_executor(),
                      [self = shared_from_this(), tls = std::move(tls)] { self->tls_ = tls; });
  }

  void check_callers() override {
    boost::asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
      self->each([](http_session& x) { x.check_caller(); });
    });
  }

  void stop() override {
    boost::asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
      self->retry_.cancel();
    });
  }

  void drain(caf::timespan limit) override {
    auto done = std::make_shared<std::promise<void>>();
    auto ended = done->get_future();
    boost::asio::post(acceptor_.get_executor(), [self = shared_from_this(), limit, done] {
      self->each([](http_session& x) { x.drain(); });
      self->await_last(done, monotonic_nanos() + limit.count());
    });
    ended.wait();
  }

private:
  void each(void (*act)(http_session&)) {
    auto all = sessions_;
    for (auto& x : all)
      if (auto session = x.lock())
        act(*session);
  }

  // Sockets end on their own; looking every few milliseconds is simpler than being told.
  void await_last(const std::shared_ptr<std::promise<void>>& done, int64_t until) {
    auto late = monotonic_nanos() >= until;
    if (late)
      each([](http_session& x) { x.finish(); });
    if (late || gate_->counts->open == 0)
      return done->set_value();
    retry_.expires_after(std::chrono::milliseconds{5});
    retry_.async_wait(
        [self = shared_from_this(), done, until](error_code) { self->await_last(done, until); });
  }

  tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  std::shared_ptr<gate> gate_;
  tls_context tls_;
  std::vector<std::weak_ptr<http_session>> sessions_;
  size_t next_sweep_ = 64;
  tcp::endpoint bound_;
};

caf::expected<tcp::endpoint> endpoint_of(reactor& io, const std::string& listen) {
  auto colon = listen.rfind(':');
  auto host = listen.substr(0, colon);
  auto port = colon == std::string::npos ? std::string{} : listen.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  error_code ec;
  tcp::resolver resolver{io.io()};
  auto found = resolver.resolve(host, port, tcp::resolver::passive, ec);
  if (host.empty() || port.empty() || ec || found.empty())
    return to_error(
        {sotto::ec::invalid,
         fmt::format("gateway.listen: '{}' is no address such as 127.0.0.1:7700", listen),
         "gateway.listen"});
  return found.begin()->endpoint();
}

} // namespace

caf::expected<std::shared_ptr<http_server>>
http_server::open(reactor& io, std::shared_ptr<gate> with, tls_context tls) {
  auto listen = with->limits.listen;
  auto at = endpoint_of(io, listen);
  if (!at)
    return at.error();
  auto made = std::make_shared<server>(io, std::move(with), std::move(tls));
  if (auto ec = made->bind(*at))
    return to_error({sotto::ec::invalid,
                     fmt::format("gateway.listen: cannot listen on {}: {}", listen, ec.message()),
                     "gateway.listen"});
  boost::asio::post(io.io(), [made] { made->accept(); });
  return std::shared_ptr<http_server>{made};
}

} // namespace sotto
