#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sotto {

/// Microseconds since 1970 as RFC 3339 in UTC, e.g. `2026-05-03T09:30:00.250000Z`; the fraction is
/// left out where it is zero.
std::string rfc3339(int64_t micros);

/// Reads RFC 3339 with `Z` or an offset, years 1 to 9999, up to nine digits of fraction (beyond
/// microseconds cut); nothing for anything else, days that do not exist included.
std::optional<int64_t> parse_rfc3339(std::string_view text);

} // namespace sotto
