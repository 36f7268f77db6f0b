#include "config/apply.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/bind.hpp"

namespace sotto {

namespace {

constexpr std::string_view deployments_key = "llm.deployments";
constexpr std::string_view personas_key = "personas";

template <class T>
std::vector<std::string> names_of(const std::vector<setting<T>>& table) {
  std::vector<std::string> out;
  out.reserve(table.size());
  for (auto& s : table)
    out.push_back(s.key);
  return out;
}

template <class T>
const setting<T>* find(const std::vector<setting<T>>& table, const std::string& key) {
  auto i = std::find_if(table.begin(), table.end(), [&](auto& s) { return s.key == key; });
  return i == table.end() ? nullptr : &*i;
}

std::string place(std::string_view origin, uint32_t line, uint32_t column) {
  return line == 0 ? fmt::format("{}: ", origin) : fmt::format("{}:{}:{}: ", origin, line, column);
}

/// A key as it may be repeated in a message.
std::string shown_key(const std::string& key) {
  auto plain =
      key.size() <= 100 && std::all_of(key.begin(), key.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
      });
  return plain ? key : show_safely(key);
}

/// What was given, unless it may be a secret in a wrong place.
std::string shown_value(const std::string& key, const setting_value& x) {
  return key.find("key") == std::string::npos ? show_safely(x) : "what was given";
}

/// Text from outside a file: TOML where it looks like a quoted text or a list, else itself.
toml_entry plain_entry(const std::string& key, const std::string& text) {
  toml_entry out;
  if (text.starts_with('"') || text.starts_with('\'') || text.starts_with('[')) {
    auto document = read_toml("x = " + text);
    if (document.problems.empty() && document.entries.size() == 1
        && document.entries.front().key == "x")
      out = std::move(document.entries.front());
    else
      out.value = text;
  } else
    out.value = text;
  out.key = key;
  out.line = out.column = 0;
  for (auto& table : out.tables) {
    table.line = table.column = 0;
    for (auto& entry : table.entries)
      entry.line = entry.column = 0;
  }
  return out;
}

bool is_empty_list(const setting_value& x) {
  auto list = std::get_if<std::vector<std::string>>(&x);
  return list && list->empty();
}

} // namespace

std::vector<std::string> known_keys() {
  auto out = names_of(settings());
  out.emplace_back(deployments_key);
  out.emplace_back(personas_key);
  out.emplace_back("profile");
  return out;
}

void option_assembler::apply_text(std::string_view origin, std::string_view text) {
  apply(origin, read_toml(text));
}

void option_assembler::apply(std::string_view origin, const toml_document& document) {
  for (auto& x : document.problems)
    problem(place(origin, x.line, x.column) + x.what);
  for (auto& entry : document.entries)
    if (entry.key != "profile")
      apply_entry(origin, entry, false);
}

void option_assembler::apply_plain(const std::string& origin, const std::string& key,
                                   const std::string& text) {
  apply_entry(origin, plain_entry(key, text), true);
}

void option_assembler::apply_entry(std::string_view origin, const toml_entry& entry, bool plain) {
  if (entry.key == deployments_key)
    return apply_array(origin, entry, deployment_settings(), value.llm.deployments);
  if (entry.key == personas_key)
    return apply_array(origin, entry, persona_settings(), value.personas);
  auto where = place(origin, entry.line, entry.column);
  auto known = find(settings(), entry.key);
  if (!known)
    return unknown(where, entry.key, known_keys());
  if (entry.is_array_of_tables || !known->assign(value, entry.value, plain))
    problem(fmt::format("{}{}: {} is wrong; it must be {}", where, entry.key,
                        shown_value(entry.key, entry.value), known->form));
}

template <class T, class Table>
void option_assembler::apply_array(std::string_view origin, const toml_entry& entry,
                                   const Table& keys, std::vector<T>& to) {
  to.clear();
  auto& places = places_[entry.key];
  places.clear();
  if (!entry.is_array_of_tables && !is_empty_list(entry.value))
    return problem(fmt::format("{}{}: must be tables, each under [[{}]]",
                               place(origin, entry.line, entry.column), entry.key, entry.key));
  for (auto& table : entry.tables) {
    auto name = fmt::format("{}[{}]", entry.key, to.size());
    auto& item = to.emplace_back();
    item.name.clear();
    places.push_back(place(origin, table.line, table.column) + name);
    for (auto& x : table.entries) {
      auto where = place(origin, x.line, x.column);
      auto known = find(keys, x.key);
      if (!known)
        unknown(where + name + '.', x.key, names_of(keys));
      else if (x.is_array_of_tables || !known->assign(item, x.value, false))
        problem(fmt::format("{}{}.{}: {} is wrong; it must be {}", where, name, x.key,
                            shown_value(x.key, x.value), known->form));
    }
    for (auto& s : keys)
      if (auto is_it = [&](auto& x) { return x.key == s.key; };
          s.required && std::none_of(table.entries.begin(), table.entries.end(), is_it))
        problem(fmt::format("{}: \"{}\" is missing; it must be {}", places.back(), s.key, s.form));
  }
}

void option_assembler::unknown(const std::string& where, const std::string& key,
                               const std::vector<std::string>& known) {
  auto text = fmt::format("{}{}: unknown key", where, shown_key(key));
  auto section =
      std::any_of(known.begin(), known.end(), [&](auto& x) { return x.starts_with(key + '.'); });
  if (key == "api_key")
    text += "; keys do not belong into the configuration: name an environment variable in "
            "\"api_key_env\" or a file in \"api_key_file\"";
  else if (section)
    text += fmt::format("; it is a table: write [{}] and keys below it", key);
  else if (auto near = nearest(key, known); !near.empty())
    text += fmt::format("; did you mean \"{}\"?", near);
  else
    text += "; \"sotto config show\" lists all keys";
  problem(std::move(text));
}

} // namespace sotto
