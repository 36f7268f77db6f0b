#include "nodes/http_server.hpp"

#include <fmt/format.h>

#include "messages/error.hpp"
#include "nodes/http_session_impl.hpp"
#include "nodes/socket_acceptor.hpp"

namespace sotto {

namespace {

class server final : public socket_acceptor<http_server, http_session> {
public:
  server(reactor& io, std::shared_ptr<gate> at, tls_context tls)
      : socket_acceptor(io, std::move(tls), "the gateway"), gate_(std::move(at)) {}

  std::shared_ptr<const socket_counts> counts() const override { return gate_->counts; }

  void check_callers() override {
    post([](auto& self) { self.each([](http_session& x) { x.check_caller(); }); });
  }

  void stop() override {
    post([](auto& self) { self.close(); });
  }

  void drain(caf::timespan limit) override {
    await_none(limit, [](auto& self) { self.each([](http_session& x) { x.drain(); }); });
  }

private:
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

  void start(tcp::socket socket) override {
    error_code ec;
    auto from = socket.remote_endpoint(ec);
    auto place = ec || !make_room()
                     ? nullptr
                     : gate_->counts->take(from.address(), gate_->edge.max_connections_per_address);
    if (!place)
      return;
    client_stream::plain plain{std::move(socket)};
    auto made = std::make_shared<http_session>(tls() ? client_stream{std::move(plain), *tls()}
                                                     : client_stream{std::move(plain)},
                                               gate_, std::move(place));
    keep(made);
    made->start();
  }

  std::shared_ptr<gate> gate_;
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
  if (auto ec = made->bind(*at, 4096))
    return to_error({sotto::ec::invalid,
                     fmt::format("gateway.listen: cannot listen on {}: {}", listen, ec.message()),
                     "gateway.listen"});
  boost::asio::post(io.io(), [made] { made->accept(); });
  return std::shared_ptr<http_server>{made};
}

} // namespace sotto
