#include "messages/context.hpp"

#include <charconv>

#include <xxhash.h>

#include "messages/hex_text.hpp"

namespace sotto {

namespace {

constexpr std::array<std::string_view, priority_levels> level_names{"critical", "high", "normal",
                                                                    "low", "background"};

std::optional<uint64_t> hex(std::string_view digits) {
  uint64_t value = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (ec != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

} // namespace

std::string_view to_string(priority level) {
  return level_names[static_cast<size_t>(level)];
}

std::optional<priority> priority_from(std::string_view name) {
  for (size_t i = 0; i < priority_levels; ++i)
    if (level_names[i] == name)
      return static_cast<priority>(i);
  return std::nullopt;
}

uint64_t tenant_number(std::string_view name) {
  auto hash = XXH64(name.data(), name.size(), 0);
  return hash == 0 ? 1 : hash;
}

std::string trace_id(const context& ctx) {
  constexpr size_t digits = 16;
  std::string result;
  result.reserve(2 * digits);
  add_hex(result, ctx.trace_hi, digits);
  add_hex(result, ctx.trace_lo, digits);
  return result;
}

std::optional<context> context_from_traceparent(std::string_view header) {
  // version 2, trace id 32, parent id 16, flags 2 digits, joined by hyphens
  if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-'
      || header.substr(0, 2) == "ff")
    return std::nullopt;
  auto hi = hex(header.substr(3, 16)), lo = hex(header.substr(19, 16));
  auto parent = hex(header.substr(36, 16)), flags = hex(header.substr(53, 2));
  if (!hi || !lo || !parent || !flags || (*hi == 0 && *lo == 0) || *parent == 0)
    return std::nullopt;
  context ctx;
  ctx.trace_hi = *hi;
  ctx.trace_lo = *lo;
  ctx.parent = *parent;
  ctx.sampled = (*flags & 1) != 0;
  return ctx;
}

} // namespace sotto
