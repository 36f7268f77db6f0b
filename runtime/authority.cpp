#include "runtime/authority.hpp"

#include <memory>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "messages/error.hpp"

namespace sotto {

caf::expected<std::string> authority_fingerprint(const std::string& file) {
  std::unique_ptr<BIO, int (*)(BIO*)> in{BIO_new_file(file.c_str(), "r"), BIO_free};
  std::unique_ptr<X509, void (*)(X509*)> x{
      in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr, X509_free};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  auto good = x && X509_digest(x.get(), EVP_sha256(), digest, &size) == 1;
  ERR_clear_error();
  if (!good)
    return to_error({ec::invalid,
                     fmt::format("cluster.ca: {} holds no certificate that can be read", file),
                     "cluster.ca"});
  std::string out;
  for (unsigned i = 0; i < size; ++i)
    out += fmt::format("{:02x}", digest[i]);
  return out;
}

} // namespace sotto
