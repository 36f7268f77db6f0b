#include "runtime/url.hpp"

#include <charconv>

#include <fmt/format.h>

#include "messages/error.hpp"

namespace sotto {

namespace {

caf::error wrong(std::string_view text, std::string_view why) {
  return to_error({ec::invalid,
                   fmt::format("'{}' is no URL such as http://127.0.0.1:11434/v1: {}", text, why),
                   "base_url"});
}

bool valid_port(const std::string& port) {
  unsigned value = 0;
  auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), value);
  return ec == std::errc{} && end == port.data() + port.size() && value > 0 && value < 65'536;
}

} // namespace

std::string url::authority() const {
  auto name = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
  return port == (tls ? "443" : "80") ? name : fmt::format("{}:{}", name, port);
}

caf::expected<url> parse_url(std::string_view text) {
  url result;
  auto rest = text;
  if (rest.starts_with("https://"))
    result.tls = true;
  else if (!rest.starts_with("http://"))
    return wrong(text, "it must begin with http:// or https://");
  rest.remove_prefix(result.tls ? 8 : 7);
  auto slash = rest.find('/');
  auto place = rest.substr(0, slash);
  if (slash != std::string_view::npos)
    result.path = rest.substr(slash);
  while (result.path.ends_with('/'))
    result.path.pop_back();
  for (unsigned char c : text)
    if (c <= ' ' || c == 0x7f || c == '@' || c == '?' || c == '#')
      return wrong(text, "user names, queries, fragments and spaces are not allowed");
  result.port = result.tls ? "443" : "80";
  if (place.starts_with('[')) {
    auto end = place.find(']');
    if (end == std::string_view::npos)
      return wrong(text, "a ']' is missing");
    result.host = place.substr(1, end - 1);
    place.remove_prefix(end + 1);
  } else {
    auto colon = place.find(':');
    result.host = place.substr(0, colon);
    place.remove_prefix(std::min(colon, place.size()));
  }
  if (place.starts_with(':'))
    result.port = place.substr(1);
  else if (!place.empty())
    return wrong(text, "the host is malformed");
  if (result.host.empty())
    return wrong(text, "the host is missing");
  if (!valid_port(result.port))
    return wrong(text, "the port must be 1 to 65535");
  return result;
}

} // namespace sotto
