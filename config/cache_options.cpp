#include "config/cache_options.hpp"

#include <charconv>
#include <string_view>

namespace sotto {

namespace {

bool read_number(std::string_view text, int least, int most, int& to) {
  auto end = text.data() + text.size();
  auto [at, problem] = std::from_chars(text.data(), end, to);
  return problem == std::errc{} && at == end && to >= least && to <= most;
}

} // namespace

std::optional<redis_address> parse_redis_url(const std::string& url) {
  redis_address x;
  constexpr std::string_view socket = "unix:", scheme = "redis://";
  if (url.starts_with(socket)) {
    x.path = url.substr(socket.size());
    return x.path.empty() ? std::nullopt : std::optional{std::move(x)};
  }
  if (!url.starts_with(scheme))
    return std::nullopt;
  auto rest = std::string_view{url}.substr(scheme.size());
  if (auto at = rest.rfind('@'); at != std::string_view::npos) {
    auto who = rest.substr(0, at);
    auto colon = who.find(':');
    if (colon == std::string_view::npos)
      return std::nullopt;
    x.user = who.substr(0, colon);
    x.password = who.substr(colon + 1);
    rest.remove_prefix(at + 1);
  }
  if (auto slash = rest.find('/'); slash != std::string_view::npos) {
    auto number = rest.substr(slash + 1);
    if (!number.empty() && !read_number(number, 0, 1'000'000, x.database))
      return std::nullopt;
    rest = rest.substr(0, slash);
  }
  auto colon = rest.rfind(':');
  auto in_brackets = rest.ends_with(']');
  if (colon != std::string_view::npos && !in_brackets) {
    if (!read_number(rest.substr(colon + 1), 1, 65'535, x.port))
      return std::nullopt;
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']'))
    rest = rest.substr(1, rest.size() - 2);
  x.host = rest;
  return x.host.empty() ? std::nullopt : std::optional{std::move(x)};
}

} // namespace sotto
