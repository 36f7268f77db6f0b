#include "messages/json_input.hpp"

#include <cmath>

#include <fmt/format.h>

namespace sotto {

namespace {

using json = nlohmann::json;

/// Whether brackets outside strings nest no deeper than allowed. Cheaper than a parser callback.
bool shallow(std::string_view text) {
  size_t depth = 0;
  auto in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_json_depth)
        return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

} // namespace

json parse_json(std::string_view text, failure& why) {
  if (!shallow(text)) {
    why = {
        ec::invalid, fmt::format("the JSON is nested deeper than {} levels", max_json_depth), {}};
    return nullptr;
  }
  try {
    return json::parse(text);
  } catch (const json::parse_error& e) {
    why = {ec::invalid, fmt::format("the body is not valid JSON (near byte {})", e.byte), {}};
  } catch (const json::exception&) {
    why = {ec::invalid, "the body is not valid JSON", {}};
  }
  return nullptr;
}

field_reader::field_reader(const json& object, failure& why, std::string prefix)
    : object_(object), why_(why), prefix_(std::move(prefix)) {
  if (why_ || object_.is_object())
    return;
  auto place = prefix_.substr(0, prefix_.size() - (prefix_.empty() ? 0 : 1));
  why_ = {ec::invalid,
          place.empty() ? std::string{"must be a JSON object"}
                        : fmt::format("'{}' must be a JSON object", place),
          place};
}

const json* field_reader::find(const char* key) const {
  if (why_)
    return nullptr;
  auto at = object_.find(key);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

void field_reader::refuse(const char* key, std::string_view must) {
  if (!why_)
    why_ = {ec::invalid, fmt::format("'{}{}' {}", prefix_, key, must), prefix_ + key};
}

std::string field_reader::text(const char* key, size_t most, bool required) {
  auto* x = find(key);
  if (!x) {
    if (required)
      refuse(key, "is required");
    return {};
  }
  if (!x->is_string()) {
    refuse(key, "must be a string");
    return {};
  }
  auto& value = x->get_ref<const std::string&>();
  if (value.size() > most) {
    refuse(key, fmt::format("is longer than {} bytes", most));
    return {};
  }
  if (required && value.empty())
    refuse(key, "must not be empty");
  return value;
}

std::string field_reader::id(const char* key, size_t most, bool required) {
  auto* x = find(key);
  if (x && x->is_number_integer())
    return x->dump();
  return text(key, most, required);
}

bool field_reader::flag(const char* key, bool otherwise) {
  auto* x = find(key);
  if (!x)
    return otherwise;
  if (!x->is_boolean()) {
    refuse(key, "must be true or false");
    return otherwise;
  }
  return x->get<bool>();
}

std::optional<double> field_reader::number(const char* key, double least, double most) {
  auto* x = find(key);
  if (!x)
    return std::nullopt;
  if (!x->is_number() || !(x->get<double>() >= least && x->get<double>() <= most)) {
    refuse(key, fmt::format("must be a number from {} to {}", least, most));
    return std::nullopt;
  }
  return x->get<double>();
}

std::optional<int64_t> field_reader::integer(const char* key, int64_t least, int64_t most) {
  auto* x = find(key);
  if (!x)
    return std::nullopt;
  auto whole = x->is_number_integer()
               && (!x->is_number_unsigned()
                   || x->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
  if (!whole || x->get<int64_t>() < least || x->get<int64_t>() > most) {
    refuse(key, fmt::format("must be a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  return x->get<int64_t>();
}

std::string field_reader::object(const char* key, size_t most) {
  auto* x = find(key);
  if (!x)
    return {};
  if (!x->is_object()) {
    refuse(key, "must be a JSON object");
    return {};
  }
  auto text = x->dump();
  if (text.size() > most)
    refuse(key, fmt::format("is longer than {} bytes", most));
  return text;
}

} // namespace sotto
