#include "nodes/native_server.hpp"

#include <fmt/format.h>

#include "nodes/socket_acceptor.hpp"
#include "runtime/secure_links.hpp"

namespace sotto {

namespace {

namespace ssl = boost::asio::ssl;
using tcp = boost::asio::ip::tcp;
using error_code = boost::system::error_code;

caf::error wrong(std::string what) {
  return to_error({ec::invalid, "native.listen: " + std::move(what), "native.listen"});
}

class server final : public socket_acceptor<native_server, native_session> {
public:
  server(reactor& io, const native_options& with, std::shared_ptr<const native_gate> at,
         tls_context tls)
      : socket_acceptor(io, std::move(tls), "a frontend in C++"), most_(with.max_connections),
        gate_(std::move(at)) {}

  std::shared_ptr<const socket_counts> counts() const override { return counts_; }

  void check_callers() override {
    post([](auto& self) { self.each([](native_session& x) { x.check(); }); });
  }

  void tell_nodes() override {
    post([](auto& self) { self.each([](native_session& x) { x.tell_nodes(); }); });
  }

  void leave() override {
    post([](auto& self) {
      self.close();
      self.each([](native_session& x) { x.drain(); });
    });
  }

  void drain(caf::timespan limit) override {
    await_none(limit, [](auto&) {});
  }

private:
  void start(tcp::socket socket) override {
    error_code ec;
    auto from = socket.remote_endpoint(ec);
    auto place = ec || !make_room() ? nullptr : counts_->take(from.address(), 0);
    if (!place)
      return;
    auto made = std::make_shared<native_session>(std::move(socket), tls(), gate_, std::move(place));
    keep(made);
    made->start();
  }

  /// Whether one more may come in. Who has not said yet who it is goes first, the oldest of them:
  /// strangers that connect and say nothing must not keep frontends out.
  bool make_room() {
    for (auto& x : sessions()) {
      if (counts_->open < most_)
        break;
      if (auto session = x.lock(); session && !session->is_in())
        session->finish();
    }
    return counts_->open < most_;
  }

  size_t most_;
  std::shared_ptr<const native_gate> gate_;
  std::shared_ptr<socket_counts> counts_ = std::make_shared<socket_counts>();
};

/// What is wrong with a file, under this port's names for it.
caf::error named(failure why) {
  constexpr std::string_view section = "cluster.";
  for (auto* text : {&why.message, &why.param})
    if (text->starts_with(section))
      *text = "native." + text->substr(section.size());
  return to_error(why);
}

} // namespace

caf::expected<native_server::tls_context> native_server::read_files(const native_options& with) {
  link_options files;
  files.certificate = with.certificate;
  files.key = with.key;
  files.ca = with.ca;
  if (auto why = check_link_files(files))
    return named(std::move(why));
  auto made = std::make_shared<ssl::context>(ssl::context::tls_server);
  auto* native = made->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  // Who was let in once shows its certificate again.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  error_code code;
  made->use_certificate_chain_file(with.certificate, code);
  if (!code)
    made->use_private_key_file(with.key, ssl::context::pem, code);
  if (!code)
    made->load_verify_file(with.ca, code);
  if (!code)
    made->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, code);
  if (code)
    return wrong("its certificate, key and authority cannot be used: " + code.message());
  let_frontends_in(native);
  return made;
}

caf::expected<std::shared_ptr<native_server>>
native_server::open(reactor& io, const native_options& with, std::shared_ptr<const native_gate> at,
                    tls_context tls) {
  auto where = parse_link_address(with.listen);
  if (!where)
    return wrong(fmt::format("'{}' is no address such as 127.0.0.1:7801", with.listen));
  error_code code;
  tcp::resolver resolver{io.io()};
  auto found =
      resolver.resolve(where->first, std::to_string(where->second), tcp::resolver::passive, code);
  if (code || found.empty())
    return wrong(fmt::format("'{}' names no address of this machine", with.listen));
  auto made = std::make_shared<server>(io, with, std::move(at), std::move(tls));
  if (auto ec = made->bind(found.begin()->endpoint(), 1024))
    return wrong(fmt::format("cannot listen on {}: {}", with.listen, ec.message()));
  boost::asio::post(io.io(), [made] { made->accept(); });
  return std::shared_ptr<native_server>{made};
}

} // namespace sotto
