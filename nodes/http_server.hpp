#pragma once

#include <memory>

#include <caf/expected.hpp>

#include "nodes/gateway_tls.hpp"
#include "nodes/socket_server.hpp"

namespace sotto {

/// Listens on one address and starts a session for every socket. Where `gateway.max_connections`
/// are open, a new one takes the place of the one that has been silent longest, or else of the one
/// whose last request was answered longest ago; where all are at work it is closed at once.
class http_server : public socket_server {
public:
  /// Binds `at->limits.listen` (HOST:PORT; port 0 takes a free one) and starts to accept, with TLS
  /// where `tls` is not null. Fails with `ec::invalid` for an address that is none or that is
  /// taken.
  static caf::expected<std::shared_ptr<http_server>> open(reactor& io, std::shared_ptr<gate> at,
                                                          tls_context tls);

  /// Accepts no more sockets; the open ones go on until `drain`, which closes each as soon as its
  /// requests are answered.
  virtual void stop() = 0;
};

} // namespace sotto
