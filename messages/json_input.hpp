#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "messages/error.hpp"

namespace sotto {

/// Deepest nesting of arrays and objects that is read from outside.
inline constexpr size_t max_json_depth = 64;

/// Parses JSON from outside: must be UTF-8 and nested no deeper than `max_json_depth`. On failure
/// the value is null and `why` says what is wrong and where.
nlohmann::json parse_json(std::string_view text, failure& why);

/// Takes checked fields out of one JSON object. The first problem is kept in `why`, with the
/// field's name as `param`; after it nothing is read any more. Unknown fields are ignored.
class field_reader {
public:
  /// `prefix` is put before the names in messages, e.g. `messages[3].`.
  field_reader(const nlohmann::json& object, failure& why, std::string prefix = {});

  /// A string of at most `most` bytes; empty where it is missing or null and not required.
  std::string text(const char* key, size_t most, bool required = false);

  /// A string or an integer as text, for ids that some clients send as numbers.
  std::string id(const char* key, size_t most, bool required = false);

  bool flag(const char* key, bool otherwise);

  std::optional<double> number(const char* key, double least, double most);

  std::optional<int64_t> integer(const char* key, int64_t least, int64_t most);

  /// A JSON object as text of at most `most` bytes; empty where it is missing or null.
  std::string object(const char* key, size_t most);

  /// The field, or nothing where it is missing or null.
  const nlohmann::json* find(const char* key) const;

  void refuse(const char* key, std::string_view must);

  bool ok() const { return !why_; }

private:
  const nlohmann::json& object_;
  failure& why_;
  std::string prefix_;
};

} // namespace sotto
