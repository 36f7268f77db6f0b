#pragma once

#include <nlohmann/json.hpp>

#include "messages/error.hpp"
#include "messages/reembed.hpp"
#include "messages/turn.hpp"
#include "nodes/http_types.hpp"
#include "nodes/json_writer.hpp"

namespace sotto {

/// Values as JSON, the same on every surface; `Sink` is `json_text`, `json_tree` or
/// `msgpack_text`.
template <class Sink>
void describe(Sink& to, const emotion_reading& x);
template <class Sink>
void describe(Sink& to, const memory& x);
template <class Sink>
void describe(Sink& to, const recalled& x);
/// What a turn found besides its text, as fields of the object that is open: emotion, memories,
/// topics, degraded, memory_stored.
template <class Sink>
void describe_details(Sink& to, const turn_reply& x);

/// A whole value as a tree.
template <class T>
nlohmann::json to_json_value(const T& x) {
  json_tree to;
  describe(to, x);
  return to.take();
}
nlohmann::json to_json_value(const forget_receipt& x);
nlohmann::json to_json_value(const reembed_progress& x);

/// As text; bytes that are no UTF-8 (a provider's) are replaced.
std::string dump(const nlohmann::json& x);

/// An error in OpenAI's shape, with its status and, where trying again may help, Retry-After.
http_answer error_answer(const failure& why);

} // namespace sotto
