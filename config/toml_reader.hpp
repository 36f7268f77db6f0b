#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/setting_value.hpp"

namespace sotto {

/// One key of a TOML text with its value, by its whole dotted path.
struct toml_entry {
  std::string key;
  uint32_t line = 0;
  uint32_t column = 0;
  setting_value value;
  /// Instead of `value`, for an array of tables: their entries, with keys from the table on.
  struct table {
    uint32_t line = 0;
    uint32_t column = 0;
    std::vector<toml_entry> entries;
  };
  bool is_array_of_tables = false;
  std::vector<table> tables;
};

/// A syntax error, for people.
struct toml_problem {
  std::string what;
  uint32_t line = 0;
  uint32_t column = 0;
};

/// The keys of a TOML 1.0 text in order of their place, or the first syntax error. Texts over
/// 1 MiB, and lines over 16 KiB, which are what deep nesting needs, are refused.
struct toml_document {
  std::vector<toml_entry> entries;
  std::vector<toml_problem> problems;
};
toml_document read_toml(std::string_view text);

} // namespace sotto
