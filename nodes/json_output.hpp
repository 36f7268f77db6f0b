#pragma once

#include <nlohmann/json.hpp>

#include "messages/error.hpp"
#include "messages/turn.hpp"
#include "nodes/http_types.hpp"

namespace sotto {

/// Values as JSON, the same on every surface.
nlohmann::json to_json_value(const emotion_reading& x);
nlohmann::json to_json_value(const memory& x);
nlohmann::json to_json_value(const recalled& x);
nlohmann::json to_json_value(const forget_receipt& x);

/// What a turn found besides its text: emotion, memories, topics, degraded, memory_stored.
nlohmann::json turn_details(const turn_reply& x);

/// As text; bytes that are no UTF-8 (a provider's) are replaced.
std::string dump(const nlohmann::json& x);

/// An error in OpenAI's shape, with its status and, where trying again may help, Retry-After.
http_answer error_answer(const failure& why);

} // namespace sotto
