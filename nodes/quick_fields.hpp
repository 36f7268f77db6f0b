#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/turn.hpp"

/// The fields of requests' bodies, read twice over: `quick_...` reads what well-made clients send,
/// without a tree, and gives nothing for any other body; `read_..._fields` (openai_api.cpp) reads
/// every body and says what is wrong with it. What the quick reader gives, the other one gives too.
namespace sotto {

/// Longest names of users, conversations and speakers (bytes).
inline constexpr size_t max_name_bytes = 256;

inline constexpr size_t max_messages = 4096;
inline constexpr size_t max_history_bytes = 4 << 20;
inline constexpr size_t max_embedding_inputs = 2048;
inline constexpr size_t max_emotion_inputs = 10'000;
inline constexpr size_t max_input_bytes = 1 << 20;
inline constexpr int64_t most_tokens = 1 << 20;
inline constexpr int64_t most_dimensions = 1 << 16;

/// Parameters that are passed on to a provider, with the ranges of the OpenAI API.
struct parameter_range {
  const char* key;
  double least, most;
};
inline constexpr parameter_range number_parameters[]{{"temperature", 0, 2},
                                                     {"top_p", 0, 1},
                                                     {"presence_penalty", -2, 2},
                                                     {"frequency_penalty", -2, 2}};
inline constexpr const char* count_parameters[]{"max_tokens", "max_completion_tokens"};

/// What would change the meaning of an answer but is not done here; false, null and empty pass.
inline constexpr const char* unsupported_parameters[]{
    "tools",    "tool_choice",  "functions",  "function_call",     "audio",
    "logprobs", "top_logprobs", "prediction", "web_search_options"};

/// Of a request to `/v1/chat/completions`.
struct chat_fields {
  std::string model, user;
  std::vector<chat_message> messages;
  /// A JSON object as text; empty where none was given.
  std::string parameters;
  bool stream = false;
  bool include_usage = false;
};

/// Of a request to `/v1/embeddings`.
struct embedding_fields {
  std::string model, format;
  std::vector<std::string> input;
  std::optional<int64_t> dimensions;
};

/// `max_text`: longest last message (bytes).
std::optional<chat_fields> quick_chat_fields(std::string_view body, size_t max_text);
std::optional<embedding_fields> quick_embedding_fields(std::string_view body);
/// Of a request to `/v1/emotions`.
std::optional<std::vector<std::string>> quick_emotion_texts(std::string_view body);

} // namespace sotto
