#include "config/rules.hpp"

#include <algorithm>

#include <utf8.h>

namespace sotto::rule {

namespace {

const std::string* as_text(const setting_value& x) {
  return std::get_if<std::string>(&x);
}

template <class T>
std::optional<T> within(std::optional<T> x, T least, T most) {
  return x && *x >= least && *x <= most ? x : std::nullopt;
}

bool is_control(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

std::string_view trimmed(std::string_view x) {
  while (x.starts_with(' '))
    x.remove_prefix(1);
  while (x.ends_with(' '))
    x.remove_suffix(1);
  return x;
}

bool is_port(std::string_view x) {
  auto port = x.size() <= 5 && x.find_first_not_of("0123456789") == std::string_view::npos
                  ? read_integer(x)
                  : std::nullopt;
  return port && *port <= 65'535;
}

bool is_host(std::string_view x) {
  if (x.starts_with('['))
    return x.size() > 2 && x.ends_with(']')
           && x.substr(1, x.size() - 2).find_first_not_of("0123456789abcdefABCDEF:.")
                  == std::string_view::npos;
  return !x.empty() && x.size() <= 253 && std::all_of(x.begin(), x.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
}

} // namespace

std::optional<caf::timespan> duration::read(const setting_value& x, bool) const {
  auto text = as_text(x);
  return text ? within(read_duration(*text), least, most) : std::nullopt;
}

std::string duration::form() const {
  return fmt::format("a duration such as \"250ms\", \"10s\" or \"5m\", from {} to {}",
                     show_duration(least), show_duration(most));
}

std::optional<uint64_t> size::read(const setting_value& x, bool) const {
  if (auto n = std::get_if<int64_t>(&x))
    return *n < 0 ? std::nullopt : within(std::optional{static_cast<uint64_t>(*n)}, least, most);
  auto text = as_text(x);
  return text ? within(read_size(*text), least, most) : std::nullopt;
}

std::string size::form() const {
  return fmt::format("a size such as \"64MiB\" or a number of bytes, from {} to {}",
                     show_size(least), show_size(most));
}

std::optional<int64_t> count::read(const setting_value& x, bool plain) const {
  if (auto n = std::get_if<int64_t>(&x))
    return within(std::optional{*n}, least, most);
  auto text = as_text(x);
  return plain && text ? within(read_integer(*text), least, most) : std::nullopt;
}

std::string count::form() const {
  return fmt::format("a whole number from {} to {}", least, most);
}

std::optional<double> number::read(const setting_value& x, bool plain) const {
  if (auto n = std::get_if<double>(&x))
    return within(std::optional{*n}, least, most);
  if (auto n = std::get_if<int64_t>(&x))
    return within(std::optional{static_cast<double>(*n)}, least, most);
  auto text = as_text(x);
  return plain && text ? within(read_number(*text), least, most) : std::nullopt;
}

std::string number::form() const {
  return fmt::format("a number from {} to {}", least, most);
}

std::optional<bool> flag::read(const setting_value& x, bool plain) const {
  if (auto b = std::get_if<bool>(&x))
    return *b;
  auto text = as_text(x);
  if (!plain || !text || (*text != "true" && *text != "false"))
    return std::nullopt;
  return *text == "true";
}

std::optional<std::string> text::read(const setting_value& x, bool) const {
  auto text = as_text(x);
  return text && right(*text) ? std::optional{*text} : std::nullopt;
}

std::optional<std::string> choice::read(const setting_value& x, bool) const {
  auto text = as_text(x);
  return text && std::find(words.begin(), words.end(), *text) != words.end() ? std::optional{*text}
                                                                             : std::nullopt;
}

std::string choice::form() const {
  std::string out = "one of";
  for (auto& word : words)
    out += (&word == words.data() ? " " : ", ") + toml_string(word);
  return out;
}

std::optional<std::vector<std::string>> list::read(const setting_value& x, bool plain) const {
  std::vector<std::string> out;
  if (auto items = std::get_if<std::vector<std::string>>(&x))
    out = *items;
  else if (auto text = as_text(x); plain && text) {
    for (std::string_view rest = *text; !rest.empty();) {
      auto comma = std::min(rest.find(','), rest.size());
      if (auto item = trimmed(rest.substr(0, comma)); !item.empty())
        out.emplace_back(item);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  } else
    return std::nullopt;
  auto right =
      std::all_of(out.begin(), out.end(), [](auto& s) { return !s.empty() && is_text(s); });
  return right ? std::optional{std::move(out)} : std::nullopt;
}

bool is_text(std::string_view x) {
  return utf8::is_valid(x.begin(), x.end()) && std::none_of(x.begin(), x.end(), [](char c) {
           return is_control(c) && c != '\n' && c != '\t' && c != '\r';
         });
}

bool is_address(std::string_view x) {
  auto colon = x.rfind(':');
  return colon != std::string_view::npos && is_host(x.substr(0, colon))
         && is_port(x.substr(colon + 1)) && colon + 1 < x.size();
}

bool is_http_url(std::string_view x) {
  if (x.starts_with("https://"))
    x.remove_prefix(8);
  else if (x.starts_with("http://"))
    x.remove_prefix(7);
  else
    return false;
  if (x.find_first_of("?# \"\\") != std::string_view::npos
      || std::any_of(x.begin(), x.end(), is_control))
    return false;
  auto authority = x.substr(0, x.find('/'));
  auto bracket = authority.rfind(']');
  auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return is_host(authority.substr(0, colon))
         && (colon == std::string_view::npos
             || (colon + 1 < authority.size() && is_port(authority.substr(colon + 1))));
}

bool is_variable(std::string_view x) {
  return std::all_of(x.begin(), x.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; })
         && (x.empty() || !std::isdigit(static_cast<unsigned char>(x.front())));
}

bool is_name(std::string_view x) {
  return !x.empty() && x.size() <= 100 && trimmed(x).size() == x.size() && is_text(x)
         && std::none_of(x.begin(), x.end(), [](char c) { return is_control(c) || c == '/'; });
}

} // namespace sotto::rule
