#pragma once

#include <string>
#include <string_view>

#include <caf/expected.hpp>

namespace sotto {

/// An http or https URL of an API's base.
struct url {
  bool tls = false;
  std::string host;
  std::string port;
  /// Without a final slash; may be empty.
  std::string path;

  /// `host` or `host:port` for the Host header; IPv6 addresses in brackets.
  std::string authority() const;
};

/// Fails with `ec::invalid` and what would be right. User names, queries and fragments are refused.
caf::expected<url> parse_url(std::string_view text);

} // namespace sotto
