#include "actors/openai_embeddings.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sotto {

namespace {

using json = nlohmann::json;
using vectors = std::vector<std::vector<float>>;

failure wrong(const std::string& what) {
  return {ec::upstream_failed, "embedding: " + what, {}};
}

/// Reads one vector and brings it to unit length; says what is wrong with it.
std::string read_vector(const json& from, size_t dimensions, std::vector<float>& to) {
  if (!from.is_array() || from.empty())
    return "is no list of numbers";
  if (dimensions != 0 && from.size() != dimensions)
    return fmt::format("has {} dimensions, not {}", from.size(), dimensions);
  double square = 0;
  for (auto& x : from) {
    if (!x.is_number())
      return "holds something else than numbers";
    square += x.get<double>() * x.get<double>();
  }
  // Of less than a normal number the root is not exact enough.
  if (!std::isfinite(square) || square < std::numeric_limits<double>::min())
    return "has no direction";
  auto length = std::sqrt(square);
  to.reserve(from.size());
  for (auto& x : from) // as double until it is short: it may be more than a float holds
    to.push_back(static_cast<float>(x.get<double>() / length));
  return {};
}

} // namespace

std::string embeddings_body(const std::vector<std::string>& texts, const std::string& model,
                            uint32_t dimensions) {
  json body{{"model", model}, {"input", texts}, {"encoding_format", "float"}};
  if (dimensions != 0)
    body["dimensions"] = dimensions;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::variant<vectors, failure> read_embeddings_answer(std::string_view text, size_t count,
                                                      size_t dimensions) {
  auto body = json::parse(text, nullptr, false);
  if (!body.is_object() || !body.contains("data") || !body["data"].is_array())
    return wrong("the provider's answer has no list 'data'");
  auto& data = body["data"];
  if (data.size() != count)
    return wrong(fmt::format("the provider gave {} vectors for {} texts", data.size(), count));
  vectors result(count);
  for (size_t i = 0; i < count; ++i) {
    auto& x = data[i];
    if (!x.is_object() || !x.contains("embedding"))
      return wrong(fmt::format("data[{}] has no 'embedding'", i));
    auto place = i;
    if (auto at = x.find("index"); at != x.end() && at->is_number_unsigned())
      place = at->get<size_t>();
    if (place >= count || !result[place].empty())
      return wrong(fmt::format("data[{}] has the index {}, which is taken or too large", i, place));
    if (auto why = read_vector(x["embedding"], dimensions, result[place]); !why.empty())
      return wrong(fmt::format("data[{}].embedding {}", i, why));
    dimensions = result[place].size();
  }
  return result;
}

} // namespace sotto
