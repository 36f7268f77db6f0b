#pragma once

#include <map>

#include "config/options.hpp"
#include "config/toml_reader.hpp"

namespace sotto {

/// Puts settings from one source after another into `options` and gathers what is wrong.
class option_assembler {
public:
  /// Applies a TOML text; `origin` is what messages call it. `profile` at the top is skipped.
  void apply_text(std::string_view origin, std::string_view text);
  void apply(std::string_view origin, const toml_document& document);

  /// Applies text from the environment or the command line to the key. Unknown keys are problems.
  void apply_plain(const std::string& origin, const std::string& key, const std::string& text);

  /// Checks what spans several keys, and fills in what follows from others. Call once, at the end.
  void finish();

  void problem(std::string text) { problems.push_back(std::move(text)); }

  options value;
  std::vector<std::string> problems;

private:
  void apply_entry(std::string_view origin, const toml_entry& entry, bool plain);
  template <class T, class Table>
  void apply_array(std::string_view origin, const toml_entry& entry, const Table& keys,
                   std::vector<T>& to);
  void unknown(const std::string& where, const std::string& key,
               const std::vector<std::string>& known);
  template <class T>
  void check_names(std::string_view array, const std::vector<T>& items);
  void check_deployments();
  void check_personas();
  void check_embedding();
  void check_lanes();
  void check_edge();
  void check_cluster();
  void check_native();
  void check_limits();

  /// Where the elements of an array came from, as `origin:line:column: `.
  std::map<std::string, std::vector<std::string>> places_;
};

/// All keys that are no elements of arrays, the two arrays included.
std::vector<std::string> known_keys();

} // namespace sotto
