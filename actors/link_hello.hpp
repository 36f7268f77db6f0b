#pragma once

#include <string>

#include "messages/link.hpp"

namespace sotto {

/// Why two nodes cannot talk; nothing where they can. `expected` is the name that the other should
/// have.
failure check_hello(const link_hello& self, const std::string& expected, const link_hello& other);

/// Of two nodes the one whose name comes first connects: two connections at once would end each
/// other.
inline bool connects(const std::string& self, const std::string& peer) {
  return self < peer;
}

} // namespace sotto
