#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "messages/error.hpp"
#include "messages/turn.hpp"
#include "nodes/openai_api.hpp"

namespace sotto {

/// The original engine's HTTP surface, in its shapes, so that its frontends work unchanged.
enum class metadata_level : uint8_t { basic, standard, extended };

struct plain_chat_call {
  std::vector<turn_request> turns;
  metadata_level level = metadata_level::standard;
};

/// `POST /api/chat`: {user_id, message, context, metadata_level}.
plain_chat_call read_plain_chat(const std::string& body, const std::string& tenant,
                                const surface& with, failure& why);

/// `POST /api/chat/batch`: up to ten messages. One that is wrong fails alone: its `why` is in
/// `problems` at its index.
struct plain_batch_call : plain_chat_call {
  std::vector<failure> problems;
};
plain_batch_call read_plain_batch(const std::string& body, const std::string& tenant,
                                  const surface& with, failure& why);

/// One turn's answer. `created` is in microseconds since 1970.
nlohmann::json plain_chat_answer(const turn_request& turn, const turn_reply& reply,
                                 metadata_level level, int64_t created);
nlohmann::json plain_chat_failure(const failure& why, const std::string& bot, int64_t created);
nlohmann::json plain_batch_answer(std::vector<nlohmann::json> results, const plain_batch_call& call,
                                  const std::string& bot, int64_t created);

nlohmann::json bot_info(const surface& from, int64_t created);

} // namespace sotto
