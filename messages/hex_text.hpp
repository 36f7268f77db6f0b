#pragma once

#include <cstdint>
#include <string>

namespace sotto {

/// Adds the last `digits` hexadecimal digits of `x`. By hand: every turn has several names made of
/// them, and a format string costs ten times as much.
inline void add_hex(std::string& to, uint64_t x, size_t digits) {
  constexpr uint64_t bits = 4;
  auto at = to.size();
  to.resize(at + digits);
  for (auto i = digits; i > 0; x >>= bits)
    to[at + --i] = "0123456789abcdef"[x & 0xf];
}

} // namespace sotto
