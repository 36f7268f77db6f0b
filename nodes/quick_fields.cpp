#include "nodes/quick_fields.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include "messages/json_input.hpp"

namespace sotto {

namespace {

namespace dom = simdjson::dom;
using kind = dom::element_type;

/// A thread keeps the memory for parsing bodies up to this size.
constexpr size_t kept_bytes = 256 << 10;

/// A parsed body: values in a row in the parser's memory, which is used again for the next one.
class document {
public:
  explicit document(std::string_view text) {
    thread_local dom::parser kept;
    auto large = text.size() > kept_bytes;
    auto& parser = large ? own_.emplace() : kept;
    auto bytes = large ? text.size() : kept_bytes;
    if (parser.capacity() < bytes && parser.allocate(bytes, max_json_depth) != simdjson::SUCCESS)
      return;
    // What fails may be something that the other reader takes: a byte order mark, huge integers.
    good_ = parser.parse(text.data(), text.size()).get(root_) == simdjson::SUCCESS;
  }

  /// Nothing where the body is no object.
  std::optional<dom::object> object() const {
    dom::object x;
    return good_ && root_.get(x) == simdjson::SUCCESS ? std::optional{x} : std::nullopt;
  }

private:
  std::optional<dom::parser> own_;
  dom::element root_;
  bool good_ = false;
};

/// Takes the fields of `from` that have a reader in `readers` (name and function, in turn). False
/// where a reader refused or a field comes twice. As everywhere, null is as good as missing.
template <class... Readers>
bool take_fields(const dom::object& from, const Readers&... readers) {
  std::array<bool, sizeof...(Readers)> seen{};
  for (auto [key, value] : from) {
    size_t i = 0;
    auto good = true;
    auto take = [&, key = key, value = value](const auto& x) {
      auto own = i++;
      if (x.first != key)
        return false;
      good = !std::exchange(seen[own], true) && (value.is_null() || x.second(value));
      return true;
    };
    (take(readers) || ...);
    if (!good)
      return false;
  }
  return true;
}

template <class F>
std::pair<std::string_view, F> field(std::string_view name, F read) {
  return {name, std::move(read)};
}

auto text(std::string_view name, std::string& to, size_t most) {
  return field(name, [&to, most](const dom::element& x) {
    std::string_view value;
    if (x.get(value) != 0 || value.size() > most)
      return false;
    to = value;
    return true;
  });
}

auto flag(std::string_view name, bool& to) {
  return field(name, [&to](const dom::element& x) { return x.get(to) == 0; });
}

/// A whole number from 1.
auto count(std::string_view name, std::optional<int64_t>& to, int64_t most) {
  return field(name, [&to, most](const dom::element& x) {
    int64_t value = 0;
    if (x.type() != kind::INT64 || x.get(value) != 0 || value < 1 || value > most)
      return false;
    to = value;
    return true;
  });
}

auto number(const parameter_range& which, std::optional<double>& to) {
  return field(which.key, [&to, which](const dom::element& x) {
    double value = 0;
    if (x.get(value) != 0 || !(value >= which.least && value <= which.most))
      return false;
    to = value;
    return true;
  });
}

/// A string, or an integer as text.
auto id(std::string_view name, std::string& to) {
  return field(name, [&to](const dom::element& x) {
    int64_t value = 0;
    if (x.type() == kind::INT64 && x.get(value) == 0) {
      to = std::to_string(value);
      return true;
    }
    std::string_view name;
    if (x.get(name) != 0 || name.size() > max_name_bytes)
      return false;
    to = name;
    return true;
  });
}

/// A string, or an array of 1 to `most` strings.
auto texts(std::vector<std::string>& to, size_t most) {
  return field("input", [&to, most](const dom::element& x) {
    auto add = [&to](const dom::element& y) {
      std::string_view value;
      if (y.get(value) != 0 || value.size() > max_input_bytes)
        return false;
      to.emplace_back(value);
      return true;
    };
    dom::array all;
    if (x.get(all) != 0)
      return add(x);
    auto size = all.size(); // counts up to 2^24 - 1
    if (size > most)
      return false;
    to.reserve(size);
    return std::all_of(all.begin(), all.end(), add);
  });
}

bool add_message(std::vector<chat_message>& to, const dom::element& x) {
  dom::object fields;
  chat_message read;
  constexpr size_t longest_role = 32;
  if (x.get(fields) != 0
      || !take_fields(fields, text("role", read.role, longest_role),
                      text("content", read.content, max_history_bytes)))
    return false;
  if (read.role == "developer")
    read.role = "system";
  to.push_back(std::move(read));
  return to.back().role == "user" || to.back().role == "assistant" || to.back().role == "system";
}

auto messages(std::vector<chat_message>& to) {
  return field("messages", [&to](const dom::element& x) {
    dom::array all;
    if (x.get(all) != 0 || all.size() > max_messages)
      return false;
    to.reserve(all.size());
    return std::all_of(all.begin(), all.end(),
                       [&to](const dom::element& y) { return add_message(to, y); });
  });
}

bool acceptable(const std::vector<chat_message>& x, size_t max_text) {
  size_t bytes = 0;
  for (auto& message : x)
    bytes += message.content.size();
  return !x.empty() && bytes <= max_history_bytes && x.back().role == "user"
         && !x.back().content.empty() && x.back().content.size() <= max_text;
}

auto stream_options(bool& usage) {
  return field("stream_options", [&usage](const dom::element& x) {
    dom::object fields;
    return x.get(fields) == 0 && take_fields(fields, flag("include_usage", usage));
  });
}

/// A parameter that the other reader looks at.
auto rare(const char* name) {
  return field(name, [](const dom::element&) { return false; });
}

/// The parameters that a chat request gives.
struct parameters {
  std::array<std::optional<double>, std::size(number_parameters)> numbers;
  std::array<std::optional<int64_t>, std::size(count_parameters)> counts;
  std::optional<int64_t> seed;

  std::string take() const {
    auto kept = nlohmann::json::object();
    for (size_t i = 0; i < numbers.size(); ++i)
      if (numbers[i])
        kept[number_parameters[i].key] = *numbers[i];
    for (size_t i = 0; i < counts.size(); ++i)
      if (counts[i])
        kept[count_parameters[i]] = *counts[i];
    if (seed)
      kept["seed"] = *seed;
    return kept.empty() ? std::string{} : kept.dump();
  }
};

auto seed(std::optional<int64_t>& to) {
  return field("seed", [&to](const dom::element& x) {
    int64_t value = 0;
    if (x.type() != kind::INT64 || x.get(value) != 0)
      return false;
    to = value;
    return true;
  });
}

template <size_t... Numbers, size_t... Counts, size_t... Rare>
bool take_chat(const dom::object& from, chat_fields& to, parameters& given,
               std::index_sequence<Numbers...>, std::index_sequence<Counts...>,
               std::index_sequence<Rare...>) {
  std::optional<int64_t> one;
  return take_fields(from, messages(to.messages), text("model", to.model, max_name_bytes),
                     id("user", to.user), flag("stream", to.stream),
                     stream_options(to.include_usage),
                     number(number_parameters[Numbers], given.numbers[Numbers])...,
                     count(count_parameters[Counts], given.counts[Counts], most_tokens)...,
                     seed(given.seed), count("n", one, 1), rare("stop"), rare("response_format"),
                     rare("modalities"), rare(unsupported_parameters[Rare])...);
}

} // namespace

std::optional<chat_fields> quick_chat_fields(std::string_view body, size_t max_text) {
  document parsed{body};
  auto fields = parsed.object();
  chat_fields result;
  parameters given;
  if (!fields
      || !take_chat(*fields, result, given,
                    std::make_index_sequence<std::size(number_parameters)>{},
                    std::make_index_sequence<std::size(count_parameters)>{},
                    std::make_index_sequence<std::size(unsupported_parameters)>{})
      || !acceptable(result.messages, max_text))
    return std::nullopt;
  result.parameters = given.take();
  return result;
}

std::optional<embedding_fields> quick_embedding_fields(std::string_view body) {
  document parsed{body};
  auto fields = parsed.object();
  embedding_fields result;
  if (!fields
      || !take_fields(*fields, texts(result.input, max_embedding_inputs),
                      text("model", result.model, max_name_bytes),
                      text("encoding_format", result.format, 16),
                      count("dimensions", result.dimensions, most_dimensions))
      || result.input.empty()
      || (!result.format.empty() && result.format != "float" && result.format != "base64"))
    return std::nullopt;
  return result;
}

std::optional<std::vector<std::string>> quick_emotion_texts(std::string_view body) {
  document parsed{body};
  auto fields = parsed.object();
  std::vector<std::string> result;
  if (!fields || !take_fields(*fields, texts(result, max_emotion_inputs)) || result.empty())
    return std::nullopt;
  return result;
}

} // namespace sotto
