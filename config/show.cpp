#include <map>

#include <nlohmann/json.hpp>

#include "config/bind.hpp"

namespace sotto {

namespace {

template <class T>
void append_table(std::string& out, const T& x, const std::vector<setting<T>>& table,
                  std::string_view header) {
  out += fmt::format("\n[[{}]]\n", header);
  for (auto& s : table)
    out += fmt::format("{} = {}\n", s.key, s.show(x));
}

/// TOML text of one of our values as JSON: both write strings, numbers and lists alike, but for
/// TOML's \U escapes, which `show` does not use.
nlohmann::json as_json(const std::string& shown) {
  return nlohmann::json::parse(shown);
}

template <class T>
nlohmann::ordered_json table_json(const T& x, const std::vector<setting<T>>& table) {
  nlohmann::ordered_json out;
  for (auto& s : table)
    out[s.key] = as_json(s.show(x));
  return out;
}

/// Text for a cell of a table.
std::string cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\\');
  return text;
}

template <class T>
void append_rows(std::string& out, const std::vector<setting<T>>& table) {
  const T defaults{};
  for (auto& s : table)
    out += fmt::format("| `{}` | {} | {} | {} |\n", s.key,
                       s.required ? "required" : cell('`' + s.show(defaults) + '`'), cell(s.help),
                       cell(s.form));
}

} // namespace

std::string to_toml(const options& x, bool explain) {
  auto out = fmt::format("profile = {}\n", toml_string(x.profile));
  std::string_view part;
  for (auto& s : settings()) {
    auto dot = s.key.find('.');
    if (auto name = std::string_view{s.key}.substr(0, dot); name != part) {
      part = name;
      out += fmt::format("\n[{}]\n", part);
    }
    if (explain)
      out += fmt::format("# {} ({})\n", s.help, s.form);
    out += fmt::format("{} = {}\n", s.key.substr(dot + 1), s.show(x));
  }
  for (auto& d : x.llm.deployments)
    append_table(out, d, deployment_settings(), "llm.deployments");
  for (auto& p : x.personas)
    append_table(out, p, persona_settings(), "personas");
  return out;
}

std::string to_json(const options& x) {
  nlohmann::ordered_json out;
  out["profile"] = x.profile;
  for (auto& s : settings()) {
    auto dot = s.key.find('.');
    out[s.key.substr(0, dot)][s.key.substr(dot + 1)] = as_json(s.show(x));
  }
  out["llm"]["deployments"] = nlohmann::ordered_json::array();
  for (auto& d : x.llm.deployments)
    out["llm"]["deployments"].push_back(table_json(d, deployment_settings()));
  for (auto& p : x.personas)
    out["personas"].push_back(table_json(p, persona_settings()));
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_markdown() {
  constexpr std::string_view head = "\n| key | default | what for | what it may be |\n"
                                    "|---|---|---|---|\n";
  std::string out =
      "# Configuration\n\n"
      "Printed by `sotto config show --markdown`. A later source overrides an earlier one: the "
      "defaults below, a profile (`--profile`, `SOTTO_PROFILE`, or `profile` in the file; "
      "`ENABLE_PRODUCTION_OPTIMIZATION=true` means `production`), a TOML file (`--config`, "
      "`SOTTO_CONFIG`), the environment, `--set key=value`. The variable of a key is `SOTTO_` "
      "and the key in upper case with `_` for `.`: `gateway.listen` is "
      "`SOTTO_GATEWAY_LISTEN`. `sotto config check` reports everything that is wrong.\n";
  out += head;
  append_rows(out, settings());
  out += "\nEach `[[llm.deployments]]`, a provider that speaks the OpenAI API:\n";
  out += head;
  append_rows(out, deployment_settings());
  out += "\nEach `[[personas]]`, who answers; without any there is `companion`:\n";
  out += head;
  append_rows(out, persona_settings());
  return out;
}

} // namespace sotto
