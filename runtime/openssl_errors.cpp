// OpenSSL keeps errors in a queue a thread, and SSL_get_error looks into it before it looks at the
// call it is asked about. CAF never empties it, so that one failed handshake made the thread's next
// healthy link look broken, and be dropped. These stand before the library's own: the program's
// symbols are found first, also by shared libraries. Here too is the one place at which a
// frontend's certificate can be kept from the cluster port.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <dlfcn.h>

#include "runtime/frontend_certificate.hpp"
#include "runtime/secure_links.hpp"

namespace {

template <class F>
F next(const char* symbol) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, symbol));
}

} // namespace

extern "C" {

int SSL_read(SSL* ssl, void* to, int size) {
  static const auto real = next<int (*)(SSL*, void*, int)>("SSL_read");
  ERR_clear_error();
  return real(ssl, to, size);
}

int SSL_write(SSL* ssl, const void* from, int size) {
  static const auto real = next<int (*)(SSL*, const void*, int)>("SSL_write");
  ERR_clear_error();
  return real(ssl, from, size);
}

int SSL_accept(SSL* ssl) {
  static const auto real = next<int (*)(SSL*)>("SSL_accept");
  ERR_clear_error();
  auto result = real(ssl);
  if (result != 1 || !sotto::turns_away(ssl))
    return result;
  // CAF looks at no certificate itself: to it this is a handshake that failed.
  ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
  return -1;
}

int SSL_connect(SSL* ssl) {
  static const auto real = next<int (*)(SSL*)>("SSL_connect");
  ERR_clear_error();
  return real(ssl);
}
}

namespace sotto {

bool clears_openssl_errors() {
  // What a shared library would call.
  return dlsym(RTLD_DEFAULT, "SSL_read") == reinterpret_cast<void*>(&SSL_read)
         && dlsym(RTLD_NEXT, "SSL_read") != reinterpret_cast<void*>(&SSL_read);
}

} // namespace sotto
