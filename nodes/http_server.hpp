#pragma once

#include <memory>
#include <string>

#include <caf/expected.hpp>

#include "nodes/gate.hpp"
#include "nodes/gateway_tls.hpp"

namespace sotto {

/// Listens on one address and starts a session for every socket. Where `gateway.max_connections`
/// are open, a new one takes the place of the one that has been silent longest, or else of the one
/// whose last request was answered longest ago; where all are at work it is closed at once.
class http_server {
public:
  using tls_context = std::shared_ptr<boost::asio::ssl::context>;

  /// Binds `at->limits.listen` (HOST:PORT; port 0 takes a free one) and starts to accept, with TLS
  /// where `tls` is not null. Fails with `ec::invalid` for an address that is none or that is
  /// taken.
  static caf::expected<std::shared_ptr<http_server>> open(reactor& io, std::shared_ptr<gate> at,
                                                          tls_context tls);

  virtual ~http_server() = default;

  /// HOST:PORT as bound.
  virtual std::string address() const = 0;

  /// Sockets that are open now.
  virtual std::shared_ptr<const socket_counts> counts() const = 0;

  /// Sockets from now on use this certificate; open ones keep theirs.
  virtual void use(tls_context tls) = 0;

  /// Closes WebSockets whose keys no longer hold.
  virtual void check_callers() = 0;

  /// Accepts no more sockets; the open ones go on.
  virtual void stop() = 0;

  /// Closes every socket as soon as its requests are answered, and those that are left after
  /// `limit` at once. Returns when none is open. Not to be called on the reactor's thread.
  virtual void drain(caf::timespan limit) = 0;
};

} // namespace sotto
