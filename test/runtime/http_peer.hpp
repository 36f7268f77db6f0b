#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <catch2/catch.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <openssl/x509v3.h>

namespace sotto::test {

/// A key and a certificate for it, as PEM.
struct certificate {
  std::string key;
  std::string chain;
};

/// Makes a self-signed certificate, valid for an hour around now, for names such as
/// `DNS:localhost` or `IP:127.0.0.1`.
inline certificate make_certificate(const char* names) {
  using pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using x509 = std::unique_ptr<X509, decltype(&X509_free)>;
  using bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
  pkey key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  x509 made{X509_new(), X509_free};
  REQUIRE((key && made));
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -1800);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 1800);
  X509_set_pubkey(made.get(), key.get());
  auto* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), subject);
  for (auto [nid, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                            std::pair{NID_subject_alt_name, names}}) {
    auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    REQUIRE(extension);
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  REQUIRE(X509_sign(made.get(), key.get(), EVP_sha256()) > 0);
  auto text = [](auto write) {
    bio out{BIO_new(BIO_s_mem()), BIO_free};
    REQUIRE(write(out.get()) == 1);
    char* data = nullptr;
    auto size = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<size_t>(size));
  };
  return {text([&](BIO* to) {
            return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          }),
          text([&](BIO* to) { return PEM_write_bio_X509(to, made.get()); })};
}

/// A server of a test's own on loopback, plain or TLS. A thread runs `serve` with one connection
/// after another, and closes it when `serve` returns. Clients must be gone when it is destroyed.
class http_peer {
public:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;

  /// The server's end of a connection.
  class socket {
  public:
    virtual ~socket() = default;
    /// The head and the body of the next request; nothing where the client closed.
    std::optional<std::string> request() {
      error_code ec;
      auto head = read_until(buffer_, "\r\n\r\n", ec);
      if (ec)
        return std::nullopt;
      size_t body = 0;
      if (auto at = buffer_.find("Content-Length: "); at < head)
        body = std::stoul(buffer_.substr(at + 16));
      if (buffer_.size() < head + body)
        read(buffer_, head + body - buffer_.size(), ec);
      if (ec)
        return std::nullopt;
      auto result = buffer_.substr(0, head + body);
      buffer_.erase(0, head + body);
      return result;
    }
    /// Whether it could be sent.
    virtual bool send(std::string_view bytes) = 0;
    /// Waits until the client closes.
    void until_closed() {
      while (request())
        ;
    }

  protected:
    virtual size_t read_until(std::string& to, const char* end, error_code& ec) = 0;
    virtual void read(std::string& to, size_t bytes, error_code& ec) = 0;

  private:
    std::string buffer_;
  };

  using script = std::function<void(socket&)>;

  explicit http_peer(script serve) : http_peer(std::move(serve), nullptr) {}

  http_peer(script serve, const certificate& as) : http_peer(std::move(serve), &as) {}

  ~http_peer() {
    stopping_ = true;
    error_code ignored;
    tcp::socket waker{io_};
    waker.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }

  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  size_t connections() const { return connections_; }

private:
  template <class Stream>
  class socket_of final : public socket {
  public:
    explicit socket_of(Stream& stream) : stream_(stream) {}
    bool send(std::string_view bytes) override {
      error_code ec;
      boost::asio::write(stream_, boost::asio::buffer(bytes.data(), bytes.size()), ec);
      return !ec;
    }

  protected:
    size_t read_until(std::string& to, const char* end, error_code& ec) override {
      return boost::asio::read_until(stream_, boost::asio::dynamic_buffer(to), end, ec);
    }
    void read(std::string& to, size_t bytes, error_code& ec) override {
      boost::asio::read(stream_, boost::asio::dynamic_buffer(to),
                        boost::asio::transfer_exactly(bytes), ec);
    }

  private:
    Stream& stream_;
  };

  http_peer(script serve, const certificate* as) : serve_(std::move(serve)) {
    if (as) {
      tls_.emplace(boost::asio::ssl::context::tls_server);
      tls_->use_certificate_chain(boost::asio::buffer(as->chain));
      tls_->use_private_key(boost::asio::buffer(as->key), boost::asio::ssl::context::pem);
    }
    thread_ = std::thread{[this] { run(); }};
  }

  void run() {
    while (true) {
      tcp::socket socket{io_};
      acceptor_.accept(socket);
      if (stopping_)
        return;
      ++connections_;
      if (tls_)
        serve_tls(std::move(socket));
      else
        serve_plain(socket);
    }
  }

  void serve_plain(tcp::socket& socket) {
    socket_of<tcp::socket> end{socket};
    serve_(end);
  }

  void serve_tls(tcp::socket socket) {
    boost::asio::ssl::stream<tcp::socket> stream{std::move(socket), *tls_};
    error_code ec;
    stream.handshake(boost::asio::ssl::stream_base::server, ec);
    if (ec)
      return;
    socket_of<decltype(stream)> end{stream};
    serve_(end);
  }

  script serve_;
  std::optional<boost::asio::ssl::context> tls_;
  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  std::atomic<bool> stopping_ = false;
  std::atomic<size_t> connections_ = 0;
  std::thread thread_;
};

} // namespace sotto::test
