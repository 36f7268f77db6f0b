#include "nodes/gateway_tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include "messages/error.hpp"

namespace sotto {

namespace {

namespace ssl = boost::asio::ssl;

constexpr std::string_view offered = "\x08http/1.1";

/// HTTP/1.1 or nothing: a client that speaks only other protocols must not go on (RFC 7301, 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* wanted, unsigned wanted_size, void*) {
  unsigned char* found = nullptr;
  auto how =
      SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned>(offered.size()), wanted, wanted_size);
  *chosen = found;
  return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

caf::error wrong(const char* option, const std::string& file, std::string_view what) {
  return to_error({ec::invalid, fmt::format("gateway.{}: {}: {}", option, file, what), option});
}

void warn_if_out_of_date(SSL_CTX* context, const std::string& file) {
  auto* certificate = SSL_CTX_get0_certificate(context);
  if (certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    spdlog::warn("the certificate in {} has expired: clients will refuse it", file);
}

} // namespace

caf::expected<std::shared_ptr<ssl::context>> make_tls_context(const edge_options& options) {
  ERR_clear_error();
  auto made = std::make_shared<ssl::context>(ssl::context::tls_server);
  auto* native = made->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION
                                  | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Of TLS 1.2 only what has forward secrecy and authenticates what it encrypts.
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // Idle connections give their buffers back.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  auto locked = false;
  boost::system::error_code code;
  made->set_password_callback(
      [&locked](size_t, ssl::context::password_purpose) {
        locked = true; // and not asked for at the terminal
        return std::string{};
      },
      code);
  made->use_certificate_chain_file(options.tls_certificate, code);
  if (code)
    return wrong("tls_certificate", options.tls_certificate,
                 "no certificate in PEM could be read: " + code.message());
  made->use_private_key_file(options.tls_key, ssl::context::pem, code);
  if (locked)
    return wrong("tls_key", options.tls_key, "the key has a password; give one without");
  // OpenSSL compares the two while it reads the second.
  if (ERR_GET_LIB(static_cast<unsigned long>(code.value())) == ERR_LIB_X509
      || (!code && SSL_CTX_check_private_key(native) != 1))
    return wrong("tls_key", options.tls_key,
                 "this is not the key of the certificate in " + options.tls_certificate);
  if (code)
    return wrong("tls_key", options.tls_key,
                 "no private key in PEM could be read: " + code.message());
  // It refers to this call's variable; nothing is read after it.
  made->set_password_callback([](size_t, ssl::context::password_purpose) { return std::string{}; },
                              code);
  warn_if_out_of_date(native, options.tls_certificate);
  return made;
}

} // namespace sotto
