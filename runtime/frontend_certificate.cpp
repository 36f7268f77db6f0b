#include "runtime/frontend_certificate.hpp"

#include <memory>

#include <openssl/x509v3.h>

namespace sotto {

namespace {

using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;

x509_ptr peer_of(SSL* connection) {
  return {SSL_get1_peer_certificate(connection), X509_free};
}

bool may_serve(X509* x) {
  return X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0) == 1;
}

std::string entry(X509* x, int what) {
  auto* name = X509_get_subject_name(x);
  auto at = X509_NAME_get_index_by_NID(name, what, -1);
  if (at < 0)
    return {};
  unsigned char* text = nullptr;
  auto size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0)
    return {};
  std::string result{reinterpret_cast<char*>(text), static_cast<size_t>(size)};
  OPENSSL_free(text);
  return result;
}

int mark() {
  static const auto index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

} // namespace

std::optional<frontend_holder> frontend_of(SSL* connection) {
  auto x = peer_of(connection);
  if (!x || may_serve(x.get()))
    return std::nullopt;
  return frontend_holder{entry(x.get(), NID_commonName), entry(x.get(), NID_organizationName)};
}

void let_frontends_in(SSL_CTX* with) {
  static char marked;
  SSL_CTX_set_ex_data(with, mark(), &marked);
}

bool turns_away(SSL* connection) {
  if ((SSL_get_verify_mode(connection) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0
      || SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), mark()))
    return false;
  auto x = peer_of(connection);
  return !x || !may_serve(x.get());
}

} // namespace sotto
