#pragma once

#include <memory>
#include <string>

#include <caf/expected.hpp>
#include <caf/timespan.hpp>

#include "nodes/http_session.hpp"

namespace sotto {

/// Listens on one address and starts a session for every socket. Sockets above
/// `gateway.max_connections` are closed at once.
class http_server {
public:
  /// Binds `limits.listen` (HOST:PORT; port 0 takes a free one) and starts to accept. Fails with
  /// `ec::invalid` for an address that is none or that is taken. `limits` must outlive all sockets.
  static caf::expected<std::shared_ptr<http_server>>
  open(reactor& io, const gateway_options& limits, socket_owner owner);

  virtual ~http_server() = default;

  /// HOST:PORT as bound.
  virtual std::string address() const = 0;

  /// Sockets that are open now.
  virtual std::shared_ptr<const open_sockets> sockets() const = 0;

  /// Accepts no more sockets; the open ones go on.
  virtual void stop() = 0;

  /// Ends the open sockets, those with a request under way when it has been answered, at the latest
  /// after `patience`. Blocks; not for the reactor's thread.
  virtual void close_all(caf::timespan patience) = 0;
};

} // namespace sotto
