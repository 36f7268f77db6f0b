#pragma once

#include <limits>
#include <utility>
#include <vector>

#include "config/bind.hpp"
#include "config/rules.hpp"

/// How a key of the configuration is bound to a field; for the files that list the keys.
namespace sotto::binding {

template <class T, class M, class... Ms>
auto& field(T& x, M m, Ms... rest) {
  if constexpr (sizeof...(Ms) == 0)
    return x.*m;
  else
    return field(x.*m, rest...);
}

/// `path`: pointers to members from T down to the field.
template <class T, class Rule, class... Path>
setting<T> key(std::string name, const Rule& rule, std::string help, Path... path) {
  auto assign = [rule, path...](T& to, const setting_value& value, bool plain) {
    auto x = rule.read(value, plain);
    if (x) {
      auto& target = field(to, path...);
      target = static_cast<std::remove_reference_t<decltype(target)>>(std::move(*x));
    }
    return x.has_value();
  };
  auto show = [path...](const T& from) { return Rule::show(field(from, path...)); };
  return {std::move(name), rule.form(), std::move(help), std::move(assign), std::move(show), false};
}

template <class T>
setting<T> required(setting<T> x) {
  x.required = true;
  return x;
}

constexpr rule::duration up_to(caf::timespan most) {
  return {std::chrono::milliseconds{1}, most};
}

constexpr rule::size kib(uint64_t least, uint64_t most) {
  return {least << 10, most << 10};
}

inline bool is_path(std::string_view x) {
  return x.size() < 4096 && x.find('\0') == std::string_view::npos && rule::is_text(x);
}

inline bool is_nonempty_path(std::string_view x) {
  return !x.empty() && is_path(x);
}

inline bool is_label(std::string_view x) {
  return x.size() <= 256 && rule::is_text(x);
}

inline constexpr rule::text name{rule::is_name, "a name without slash, at most 100 bytes"};
inline constexpr rule::text path{is_path, "a path, or \"\" for none"};

using o = options;

/// A key of one part: part, field.
template <class Rule, class Part, class Field>
setting<o> in(Part o::*part, Field Part::*field, std::string name, Rule rule, std::string help) {
  return key<o>(std::move(name), std::move(rule), std::move(help), part, field);
}

using settings_table = std::vector<setting<o>>;

/// The keys of clusters, in a file of their own.
void add_cluster(settings_table& t);

} // namespace sotto::binding
