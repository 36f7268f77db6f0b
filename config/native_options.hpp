#pragma once

#include <cstddef>
#include <string>

namespace sotto {

/// The port for C++ frontends, always with mutual TLS. What a frontend may send and ask for at a
/// time is bounded as for a WebSocket (`gateway_options`).
struct native_options {
  /// HOST:PORT; port 0 takes a free one. Empty: there is no such port.
  std::string listen;
  /// HOST:PORT that frontends are told for this port; empty: what `listen` took, unless that is
  /// every address of the machine.
  std::string address;
  /// PEM files: the node's certificate and its key, and the authority of the frontends'
  /// certificates. All empty: those of the cluster.
  std::string certificate;
  std::string key;
  std::string ca;
  /// Frontends that may be connected at the same time.
  size_t max_connections = 1024;
};

} // namespace sotto
