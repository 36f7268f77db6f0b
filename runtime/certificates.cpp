#include "runtime/certificates.hpp"

#include <memory>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace sotto {

namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* x) const {
    Free(x);
  }
};

using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;

/// Clocks of nodes differ: a certificate is valid from a little before it was made.
constexpr long head_start = -3600;
constexpr long day = 24 * 3600;

std::string text_of(BIO* from) {
  char* text = nullptr;
  auto size = BIO_get_mem_data(from, &text);
  return {text, static_cast<size_t>(size)};
}

bool add_extension(X509* to, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>> x{
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str())};
  return x && X509_add_ext(to, x.get(), -1) == 1;
}

bool set_serial(X509* to) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return false;
  bytes[0] = (bytes[0] & 0x7f) | 1; // positive, and of full length
  std::unique_ptr<BIGNUM, freed_by<BN_free>> number{BN_bin2bn(bytes, sizeof bytes, nullptr)};
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(to)) != nullptr;
}

bool add_to_name(X509* to, const char* what, const std::string& text) {
  return text.empty()
         || X509_NAME_add_entry_by_txt(X509_get_subject_name(to), what, MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()), -1, 0)
                == 1;
}

x509_ptr blank(const std::string& name, EVP_PKEY* key, uint32_t days,
               const std::string& tenant = {}) {
  x509_ptr x{X509_new()};
  if (X509_set_version(x.get(), 2) != 1 || !set_serial(x.get())
      || !add_to_name(x.get(), "O", tenant) || !add_to_name(x.get(), "CN", name)
      || !X509_gmtime_adj(X509_getm_notBefore(x.get()), head_start)
      || !X509_gmtime_adj(X509_getm_notAfter(x.get()), static_cast<long>(days) * day)
      || X509_set_pubkey(x.get(), key) != 1)
    return nullptr;
  return x;
}

std::string names_of(const std::string& name, const std::vector<std::string>& hosts) {
  auto result = "DNS:" + name;
  for (auto& x : hosts) {
    in6_addr unused{};
    auto address =
        inet_pton(AF_INET, x.c_str(), &unused) == 1 || inet_pton(AF_INET6, x.c_str(), &unused) == 1;
    result += fmt::format(",{}:{}", address ? "IP" : "DNS", x);
  }
  return result;
}

caf::error failed(const char* what) {
  auto code = ERR_get_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return to_error(
      {ec::internal,
       fmt::format("OpenSSL could not make {}: {}", what, reason ? reason : "no reason given"),
       {}});
}

caf::expected<certificate_pair> write_out(X509* certificate, EVP_PKEY* key) {
  bio_ptr first{BIO_new(BIO_s_mem())}, second{BIO_new(BIO_s_mem())};
  if (PEM_write_bio_X509(first.get(), certificate) != 1
      || PEM_write_bio_PrivateKey(second.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed("PEM");
  return certificate_pair{text_of(first.get()), text_of(second.get())};
}

} // namespace

caf::expected<certificate_pair> make_authority(const std::string& name, uint32_t days) {
  ERR_clear_error();
  key_ptr key{EVP_EC_gen("P-256")};
  auto x = key ? blank(name, key.get(), days) : nullptr;
  if (!x || X509_set_issuer_name(x.get(), X509_get_subject_name(x.get())) != 1
      || !add_extension(x.get(), x.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
      || !add_extension(x.get(), x.get(), NID_key_usage, "critical,keyCertSign,cRLSign")
      || !add_extension(x.get(), x.get(), NID_subject_key_identifier, "hash")
      || X509_sign(x.get(), key.get(), EVP_sha256()) == 0)
    return failed("an authority");
  return write_out(x.get(), key.get());
}

namespace {

/// What a certificate is for, beside its name.
struct certificate_use {
  std::string tenant;
  const char* extended;
  /// May be empty.
  std::string hosts;
};

caf::expected<certificate_pair> sign(const certificate_pair& authority, const std::string& name,
                                     const certificate_use& use, uint32_t days) {
  ERR_clear_error();
  auto read = [](const std::string& x) {
    return bio_ptr{BIO_new_mem_buf(x.data(), static_cast<int>(x.size()))};
  };
  auto issuer_file = read(authority.certificate), key_file = read(authority.key);
  x509_ptr issuer{PEM_read_bio_X509(issuer_file.get(), nullptr, nullptr, nullptr)};
  key_ptr signer{PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr)};
  if (!issuer || !signer || X509_check_private_key(issuer.get(), signer.get()) != 1)
    return to_error(
        {ec::invalid, "the authority's certificate and key do not belong together", {}});
  key_ptr key{EVP_EC_gen("P-256")};
  auto x = key ? blank(name, key.get(), days, use.tenant) : nullptr;
  if (!x || X509_set_issuer_name(x.get(), X509_get_subject_name(issuer.get())) != 1
      || !add_extension(x.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE")
      || !add_extension(x.get(), issuer.get(), NID_key_usage, "critical,digitalSignature")
      || !add_extension(x.get(), issuer.get(), NID_ext_key_usage, use.extended)
      || !add_extension(x.get(), issuer.get(), NID_subject_key_identifier, "hash")
      || !add_extension(x.get(), issuer.get(), NID_authority_key_identifier, "keyid")
      || (!use.hosts.empty()
          && !add_extension(x.get(), issuer.get(), NID_subject_alt_name, use.hosts))
      || X509_sign(x.get(), signer.get(), EVP_sha256()) == 0)
    return failed("a certificate");
  return write_out(x.get(), key.get());
}

} // namespace

caf::expected<certificate_pair> make_certificate(const certificate_pair& authority,
                                                 const std::string& name,
                                                 const std::vector<std::string>& hosts,
                                                 uint32_t days) {
  return sign(authority, name, {{}, "serverAuth,clientAuth", names_of(name, hosts)}, days);
}

caf::expected<certificate_pair> make_frontend_certificate(const certificate_pair& authority,
                                                          const std::string& name,
                                                          const std::string& tenant,
                                                          uint32_t days) {
  return sign(authority, name, {tenant, "clientAuth", {}}, days);
}

} // namespace sotto
