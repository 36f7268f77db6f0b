#pragma once

#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>
#include <caf/timespan.hpp>

#include "nodes/gate.hpp"

namespace sotto {

/// A port of the node, as others see it: listens on one address, and starts a session for every
/// socket (`socket_acceptor`).
class socket_server {
public:
  using tls_context = std::shared_ptr<boost::asio::ssl::context>;

  virtual ~socket_server() = default;

  /// HOST:PORT as bound.
  virtual std::string address() const = 0;

  /// Sockets that are open now.
  virtual std::shared_ptr<const socket_counts> counts() const = 0;

  /// Sockets from now on use this certificate; open ones keep theirs.
  virtual void use(tls_context tls) = 0;

  /// API keys have changed: closes sockets whose keys no longer hold.
  virtual void check_callers() = 0;

  /// Waits until no socket is open, and closes those that are left after `limit`. Not to be called
  /// on the reactor's thread.
  virtual void drain(caf::timespan limit) = 0;
};

} // namespace sotto
