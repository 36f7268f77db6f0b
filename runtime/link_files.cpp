// The files of mutual TLS, checked before CAF sees them: it would abort at the first connection.
#include <memory>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "runtime/replace_file.hpp"
#include "runtime/secure_links.hpp"

namespace sotto {

namespace {

constexpr size_t largest_file = 1 << 20;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* x) const {
    Free(x);
  }
};

using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using store_ptr = std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>>;
using store_context_ptr = std::unique_ptr<X509_STORE_CTX, freed_by<X509_STORE_CTX_free>>;

struct pem {
  std::string text;
  std::unique_ptr<BIO, freed_by<BIO_free_all>> bio;
};

failure wrong(const char* option, const std::string& file, std::string_view what) {
  auto param = fmt::format("cluster.{}", option);
  return {ec::invalid, fmt::format("{}: {}: {}", param, file, what), param};
}

failure open(const char* option, const std::string& file, pem& to) {
  if (file.empty())
    return {ec::invalid,
            fmt::format("cluster.{} is not set; `sotto cluster certs` makes the files", option),
            fmt::format("cluster.{}", option)};
  auto text = read_small_file(file, largest_file);
  if (!text) {
    auto why = to_failure(text.error());
    return wrong(option, file, why.code == ec::not_found ? "there is no such file" : why.message);
  }
  to.text = std::move(*text);
  to.bio.reset(BIO_new_mem_buf(to.text.data(), static_cast<int>(to.text.size())));
  return {};
}

int no_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true; // and not asked for at the terminal
  return -1;
}

std::string date(const ASN1_TIME* x) {
  std::unique_ptr<BIO, freed_by<BIO_free_all>> to{BIO_new(BIO_s_mem())};
  ASN1_TIME_print(to.get(), x);
  char* text = nullptr;
  auto size = BIO_get_mem_data(to.get(), &text);
  return {text, static_cast<size_t>(size)};
}

failure verify(const link_options& with, X509* certificate, X509_STORE* trusted, int purpose) {
  store_context_ptr context{X509_STORE_CTX_new()};
  X509_STORE_CTX_init(context.get(), trusted, certificate, nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  if (X509_verify_cert(context.get()) == 1)
    return {};
  switch (auto code = X509_STORE_CTX_get_error(context.get())) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return wrong("certificate", with.certificate,
                 fmt::format("it or its authority expired; the certificate is valid until {}",
                             date(X509_get0_notAfter(certificate))));
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return wrong("certificate", with.certificate,
                 fmt::format("it is not valid before {}; is the clock right?",
                             date(X509_get0_notBefore(certificate))));
  case X509_V_ERR_INVALID_PURPOSE:
    return wrong("certificate", with.certificate,
                 "it must be for servers and clients: every node is both");
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    return wrong("certificate", with.certificate,
                 "it is not signed by the authority in " + with.ca);
  default:
    return wrong("certificate", with.certificate, X509_verify_cert_error_string(code));
  }
}

} // namespace

failure check_link_files(const link_options& with, link_end whose) {
  ERR_clear_error();
  pem certificate_file, key_file, ca_file;
  for (auto& why : {open("certificate", with.certificate, certificate_file),
                    open("key", with.key, key_file), open("ca", with.ca, ca_file)})
    if (why)
      return why;
  x509_ptr certificate{PEM_read_bio_X509(certificate_file.bio.get(), nullptr, nullptr, nullptr)};
  if (!certificate)
    return wrong("certificate", with.certificate, "no certificate in PEM could be read");
  auto locked = false;
  key_ptr key{PEM_read_bio_PrivateKey(key_file.bio.get(), nullptr, no_password, &locked)};
  if (!key)
    return wrong("key", with.key,
                 locked ? "the key has a password; give one without"
                        : "no private key in PEM could be read");
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return wrong("key", with.key, "this is not the key of the certificate in " + with.certificate);
  store_ptr trusted{X509_STORE_new()};
  auto found = 0;
  while (x509_ptr x{PEM_read_bio_X509(ca_file.bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_check_ca(x.get()) == 0)
      return wrong("ca", with.ca, "this certificate may not sign others");
    X509_STORE_add_cert(trusted.get(), x.get());
    ++found;
  }
  if (found == 0)
    return wrong("ca", with.ca, "no certificate in PEM could be read");
  ERR_clear_error(); // the end of the file is told as an error
  auto client = verify(with, certificate.get(), trusted.get(), X509_PURPOSE_SSL_CLIENT);
  if (client || whose == link_end::node)
    return client ? client
                  : verify(with, certificate.get(), trusted.get(), X509_PURPOSE_SSL_SERVER);
  if (X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_SERVER, 0) == 1)
    return wrong("certificate", with.certificate, "it is a node's, not a frontend's");
  return {};
}

} // namespace sotto
