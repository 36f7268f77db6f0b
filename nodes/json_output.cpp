#include "nodes/json_output.hpp"

#include <cmath>

#include "messages/frontend.hpp"
#include "messages/time_text.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

/// A float without the noise of its conversion to double.
double rounded(float x) {
  return std::round(static_cast<double>(x) * 10'000) / 10'000;
}

void put(json::object_t&) {}

template <class T, class... Ts>
void put(json::object_t& to, const char* name, T&& value, Ts&&... rest) {
  to.emplace(name, std::forward<T>(value));
  put(to, std::forward<Ts>(rest)...);
}

/// An object of names and values in turn. An initializer list would make each pair an array first:
/// four allocations a field, and replies have a hundred.
template <class... Ts>
json object(Ts&&... xs) {
  json::object_t result;
  put(result, std::forward<Ts>(xs)...);
  return result;
}

} // namespace

json to_json_value(const emotion_reading& x) {
  auto mixed = json::array();
  for (auto& y : x.mixed)
    mixed.push_back(object("emotion", y.category, "intensity", rounded(y.intensity)));
  return object("primary", x.primary, "intensity", rounded(x.intensity), "confidence",
                rounded(x.confidence), "valence", rounded(x.valence), "arousal", rounded(x.arousal),
                "dominance", rounded(x.dominance), "neg", x.neg, "neu", x.neu, "pos", x.pos,
                "compound", x.compound, "mixed", std::move(mixed));
}

json to_json_value(const memory& x) {
  auto metadata = x.metadata.empty() ? json::object() : json::parse(x.metadata, nullptr, false);
  if (metadata.is_discarded())
    metadata = json::object();
  return object("id", x.id, "text", x.text, "speaker", x.speaker, "conversation", x.conversation,
                "created", rfc3339(x.created), "metadata", std::move(metadata));
}

json to_json_value(const recalled& x) {
  auto result = to_json_value(x.what);
  result["score"] = rounded(x.score);
  result["why"] = x.why;
  return result;
}

json to_json_value(const forget_receipt& x) {
  return {{"user", x.owner.owner}, {"memories", x.memories}, {"forgotten", rfc3339(x.at)}};
}

json turn_details(const turn_reply& x) {
  auto memories = json::array();
  for (auto& y : x.memories)
    memories.push_back(to_json_value(y));
  return object("emotion", to_json_value(x.emotion), "memories", std::move(memories), "topics",
                x.topics, "degraded", x.degraded, "memory_stored", x.memory_stored);
}

std::string dump(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

http_answer error_answer(const failure& why) {
  http_answer result;
  result.status = classify(why.code).status;
  result.body = dump({{"error", error_body(why)}});
  if (result.status == 429 || result.status == 503)
    result.headers.emplace_back("Retry-After", "1");
  return result;
}

} // namespace sotto
