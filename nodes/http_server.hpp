#pragma once

#include <memory>
#include <string>

#include <caf/expected.hpp>

#include "nodes/http_session.hpp"

namespace sotto {

/// Listens on one address and starts a session for every socket. Sockets above
/// `gateway.max_connections` are closed at once.
class http_server {
public:
  /// Binds `limits.listen` (HOST:PORT; port 0 takes a free one) and starts to accept. Fails with
  /// `ec::invalid` for an address that is none or that is taken. `limits` must outlive all sockets.
  /// `gate`, where given, turns requests away.
  static caf::expected<std::shared_ptr<http_server>>
  open(reactor& io, const gateway_options& limits, socket_owner owner,
       std::shared_ptr<refusal_gate> gate = nullptr);

  virtual ~http_server() = default;

  /// HOST:PORT as bound.
  virtual std::string address() const = 0;

  /// Sockets that are open now.
  virtual std::shared_ptr<const socket_counts> counts() const = 0;

  /// Accepts no more sockets; the open ones go on.
  virtual void stop() = 0;

  /// Closes every socket as soon as its requests are answered, and those that are left after
  /// `limit` at once. Returns when none is open. Not to be called on the reactor's thread.
  virtual void drain(caf::timespan limit) = 0;
};

} // namespace sotto
