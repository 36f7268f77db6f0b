#pragma once

#include <functional>

#include "config/options.hpp"
#include "config/setting_value.hpp"

namespace sotto {

/// One key of the configuration and the field of `T` it sets. Loading, `config show`, the
/// environment, `--set` and the documentation all read these.
template <class T>
struct setting {
  /// As in TOML: `gateway.listen`, or within its table for the elements of an array.
  std::string key;
  /// What would be right, for messages.
  std::string form;
  std::string help;
  /// Sets the field if `value` is right, and says whether it is. `plain`: text from the
  /// environment or the command line, which stands for every kind of value.
  std::function<bool(T& to, const setting_value& value, bool plain)> assign;
  /// The field's value as TOML text; without passwords.
  std::function<std::string(const T& from)> show;
  /// Every element of the array must have it.
  bool required = false;
};

/// All keys outside arrays of tables, in the order in which they are shown.
const std::vector<setting<options>>& settings();

/// Keys of `[[llm.deployments]]` and `[[personas]]`; each has a `name`.
const std::vector<setting<llm_deployment>>& deployment_settings();
const std::vector<setting<persona_options>>& persona_settings();

/// The environment variable of a key: `gateway.listen` is SOTTO_GATEWAY_LISTEN.
std::string variable_of(std::string_view key);

/// The whole configuration as TOML that loads to the same values, except that passwords in URLs
/// are replaced. With `explain`, each key is preceded by what it is for and what is allowed.
std::string to_toml(const options& x, bool explain);

/// The whole configuration as one JSON object, nested as the TOML is.
std::string to_json(const options& x);

/// All keys, what they may be, their defaults and variables as Markdown tables:
/// docs/configuration.md.
std::string to_markdown();

} // namespace sotto
