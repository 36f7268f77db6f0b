#include "nodes/http_types.hpp"

#include <charconv>
#include <string_view>

namespace sotto {

std::string percent_decode(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      auto [end, ec] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (ec == std::errc{} && end == text.data() + i + 3) {
        result += static_cast<char>(value);
        i += 2;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

std::string query_value(const std::string& query, std::string_view name) {
  std::string_view rest = query;
  while (!rest.empty()) {
    auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    auto equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals)) != name || equals == std::string_view::npos)
      continue;
    std::string value{pair.substr(equals + 1)};
    for (auto& c : value)
      if (c == '+')
        c = ' ';
    return percent_decode(value);
  }
  return {};
}

} // namespace sotto
