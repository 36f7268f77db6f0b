#pragma once

#include <memory>
#include <string>

#include <caf/expected.hpp>

#include "nodes/gate.hpp"
#include "nodes/native_session.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// The port for C++ frontends (`native.listen`), always with mutual TLS. Where
/// `native.max_connections` are open, a new one takes the place of the oldest that has not said who
/// it is, or is closed at once.
class native_server {
public:
  using tls_context = native_session::tls_context;

  /// Reads the certificate, the key and the authority. Fails with `ec::invalid` and what is wrong
  /// with which file.
  static caf::expected<tls_context> read_files(const native_options& with);

  /// Binds `with.listen` and starts to accept. Fails with `ec::invalid` for an address that is none
  /// or that is taken.
  static caf::expected<std::shared_ptr<native_server>> open(reactor& io, const native_options& with,
                                                            std::shared_ptr<const native_gate> at,
                                                            tls_context tls);

  virtual ~native_server() = default;

  /// HOST:PORT as bound.
  virtual std::string address() const = 0;

  /// Sockets that are open now.
  virtual std::shared_ptr<const socket_counts> counts() const = 0;

  /// Sockets from now on use this certificate; open ones keep theirs.
  virtual void use(tls_context tls) = 0;

  /// Has every FRONTEND see whether its API key still holds.
  virtual void check_callers() = 0;

  /// Accepts no more sockets, and lets each frontend go when its calls are answered.
  virtual void leave() = 0;

  /// Closes those that are left after `limit`. Returns when none is open. Not to be called on the
  /// reactor's thread.
  virtual void drain(caf::timespan limit) = 0;
};

} // namespace sotto
