#pragma once

#include <memory>

#include <caf/expected.hpp>

#include "nodes/native_session.hpp"
#include "nodes/socket_server.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// The port for C++ frontends (`native.listen`), always with mutual TLS. Where
/// `native.max_connections` are open, a new one takes the place of the oldest that has not said who
/// it is, or is closed at once.
class native_server : public socket_server {
public:
  /// Reads the certificate, the key and the authority. Fails with `ec::invalid` and what is wrong
  /// with which file.
  static caf::expected<tls_context> read_files(const native_options& with);

  /// Binds `with.listen` and starts to accept. Fails with `ec::invalid` for an address that is none
  /// or that is taken.
  static caf::expected<std::shared_ptr<native_server>> open(reactor& io, const native_options& with,
                                                            std::shared_ptr<const native_gate> at,
                                                            tls_context tls);

  /// The nodes of the cluster have changed: every frontend is told.
  virtual void tell_nodes() = 0;

  /// Accepts no more sockets, and lets each frontend go when its calls are answered.
  virtual void leave() = 0;
};

} // namespace sotto
