#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// Who may come in through the gateway, and how.
struct edge_options {
  /// File of the API keys; empty means `keys.json` in `node.data`.
  std::string keys;
  /// Follows from `keys` and `node.data`.
  std::string keys_file;
  /// Serve without keys also beyond loopback.
  bool open = false;
  /// PEM files; both empty: plain HTTP.
  std::string tls_certificate;
  std::string tls_key;
  /// How long a TLS handshake may take.
  caf::timespan tls_handshake_timeout = std::chrono::seconds{10};
  /// Origins whose pages may call the node: `https://app.example`.
  std::vector<std::string> cors_origins;
  /// Connections at the same time from one address (of IPv6: one /64); 0: as many as fit.
  size_t max_connections_per_address = 0;

  bool tls() const { return !tls_certificate.empty(); }
};

} // namespace sotto
