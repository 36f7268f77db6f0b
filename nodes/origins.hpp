#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nodes/http_types.hpp"

namespace sotto {

/// Which web pages may call the node: those of listed origins (the Fetch standard's CORS protocol).
/// Cookies are not used here, so credentials are never allowed.
class origins {
public:
  explicit origins(std::vector<std::string> listed) : listed_(std::move(listed)) {}

  bool lists(std::string_view origin) const;

  /// Adds what an answer to a page of `origin` must bear; `origin` is empty for other clients.
  void mark(std::string_view origin,
            std::vector<std::pair<std::string, std::string>>& headers) const;

  /// The answer to a preflight, without what `mark` adds.
  static http_answer preflight();

private:
  std::vector<std::string> listed_;
};

/// Whether a page of `origin` came from this node itself, which the client knows as `host`.
bool same_origin(std::string_view origin, std::string_view host);

/// Whether `host` (of a Host header) is an address or a name that nobody can register: a name of
/// the internet may be made to point at the client's own machine by whoever has it.
bool private_host(std::string_view host);

} // namespace sotto
