#include "config/setting_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace sotto {

namespace {

template <class T>
struct unit {
  std::string_view name;
  T factor;
};

constexpr std::array<unit<int64_t>, 7> time_units{{{"ns", 1},
                                                   {"us", 1'000},
                                                   {"ms", 1'000'000},
                                                   {"s", 1'000'000'000},
                                                   {"m", 60'000'000'000},
                                                   {"h", 3'600'000'000'000},
                                                   {"d", 86'400'000'000'000}}};

constexpr std::array<unit<uint64_t>, 8> size_units{{{"B", 1},
                                                    {"KiB", 1ULL << 10},
                                                    {"MiB", 1ULL << 20},
                                                    {"GiB", 1ULL << 30},
                                                    {"TiB", 1ULL << 40},
                                                    {"kB", 1'000},
                                                    {"MB", 1'000'000},
                                                    {"GB", 1'000'000'000}}};

template <class T>
std::optional<T> whole(std::string_view text) {
  T x{};
  auto end = text.data() + text.size();
  auto [at, problem] = std::from_chars(text.data(), end, x);
  if (problem != std::errc{} || at != end)
    return std::nullopt;
  return x;
}

/// Splits `1.5h` into the number and its unit's factor, and multiplies.
template <class T, size_t N>
std::optional<T> scaled(std::string_view text, const std::array<unit<T>, N>& units) {
  auto split = std::min(text.find_first_not_of("0123456789."), text.size());
  auto name = text.substr(split);
  while (name.starts_with(' '))
    name.remove_prefix(1);
  auto found = std::find_if(units.begin(), units.end(), [&](auto& x) { return x.name == name; });
  if (split == 0 || found == units.end())
    return std::nullopt;
  auto figures = text.substr(0, split);
  auto limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (auto x = whole<uint64_t>(figures))
    return *x <= limit / static_cast<uint64_t>(found->factor)
               ? std::optional<T>{static_cast<T>(*x) * found->factor}
               : std::nullopt;
  auto x = read_number(figures);
  if (!x)
    return std::nullopt;
  auto product = *x * static_cast<double>(found->factor);
  // 2^63 itself does not fit, and is the next double above what does.
  if (product >= 0x1p63)
    return std::nullopt;
  return static_cast<T>(std::llround(product));
}

void append_escaped(std::string& out, char c) {
  switch (c) {
  case '"':
    out += "\\\"";
    break;
  case '\\':
    out += "\\\\";
    break;
  case '\n':
    out += "\\n";
    break;
  case '\t':
    out += "\\t";
    break;
  default:
    if (auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04X}", byte);
    else
      out += c;
  }
}

struct show_visitor {
  std::string operator()(std::monostate) const { return "a value of another kind"; }
  std::string operator()(bool x) const { return x ? "true" : "false"; }
  std::string operator()(int64_t x) const { return std::to_string(x); }
  std::string operator()(double x) const {
    auto text = fmt::format("{}", x);
    return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
  }
  std::string operator()(const std::string& x) const { return toml_string(x); }
  std::string operator()(const std::vector<std::string>& xs) const {
    std::string out = "[";
    for (auto& x : xs)
      out += (out.size() > 1 ? ", " : "") + toml_string(x);
    return out + "]";
  }
};

} // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text)
    append_escaped(out, c);
  return out + '"';
}

std::string show(const setting_value& x) {
  return std::visit(show_visitor{}, x);
}

std::string show_safely(const setting_value& x) {
  constexpr size_t longest = 80;
  auto text = without_password(show(x));
  if (text.size() <= longest)
    return text;
  auto end = longest;
  // Not in the middle of a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return text.substr(0, end) + "...";
}

std::string without_password(std::string_view text) {
  std::string out;
  for (;;) {
    auto scheme = text.find("://");
    if (scheme == std::string_view::npos)
      break;
    auto start = scheme + 3;
    // Rather too much than too little of a database's: its password may hold what should have been
    // written as %XX.
    auto web =
        text.substr(0, scheme).ends_with("http") || text.substr(0, scheme).ends_with("https");
    auto rest = text.substr(start, text.find_first_of(web ? "/?# \"" : " \"", start) - start);
    auto at = rest.rfind('@');
    auto colon = rest.find(':');
    out.append(text.substr(0, start));
    if (at != std::string_view::npos && colon < at)
      out.append(rest.substr(0, colon + 1)).append("***").append(rest.substr(at));
    else
      out.append(rest);
    text.remove_prefix(start + rest.size());
  }
  out.append(text);
  constexpr std::string_view key = "password=";
  for (size_t at = 0; (at = out.find(key, at)) != std::string::npos;) {
    at += key.size();
    out.replace(at, std::min(out.find_first_of("& \"", at), out.size()) - at, "***");
  }
  return out;
}

std::optional<caf::timespan> read_duration(std::string_view text) {
  if (auto x = scaled(text, time_units))
    return caf::timespan{*x};
  return std::nullopt;
}

std::string show_duration(caf::timespan x) {
  auto best = time_units.front();
  for (auto& candidate : time_units)
    if (x.count() != 0 && x.count() % candidate.factor == 0)
      best = candidate;
  return x.count() == 0 ? "0s" : fmt::format("{}{}", x.count() / best.factor, best.name);
}

std::optional<uint64_t> read_size(std::string_view text) {
  if (auto x = read_integer(text))
    return *x >= 0 ? std::optional{static_cast<uint64_t>(*x)} : std::nullopt;
  return scaled(text, size_units);
}

std::string show_size(uint64_t bytes) {
  auto best = size_units.front();
  for (auto& candidate : size_units)
    if (candidate.name.size() == 3 && bytes != 0 && bytes % candidate.factor == 0)
      best = candidate;
  return fmt::format("{}{}", bytes / best.factor, best.name);
}

std::optional<int64_t> read_integer(std::string_view text) {
  return whole<int64_t>(text);
}

std::optional<double> read_number(std::string_view text) {
  auto x = whole<double>(text);
  return x && std::isfinite(*x) ? x : std::nullopt;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      auto substitute = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substitute, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  // Longer keys than this are no slip of the pen, and the table would be large.
  if (word.size() > 100)
    return best;
  auto least = std::max<size_t>(2, word.size() / 3) + 1;
  for (auto& candidate : candidates)
    if (auto distance = edit_distance(word, candidate); distance < least) {
      least = distance;
      best = candidate;
    }
  return best;
}

} // namespace sotto
