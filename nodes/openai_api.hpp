#pragma once

#include <string>
#include <unordered_set>

#include "config/options.hpp"
#include "messages/error.hpp"
#include "messages/json_input.hpp"
#include "messages/turn.hpp"
#include "nodes/http_types.hpp"
#include "nodes/quick_fields.hpp"

namespace sotto {

/// What requests are checked against. Made once from the options.
struct surface {
  explicit surface(const options& from);

  bool has_persona(const std::string& name) const { return personas.contains(name); }

  std::unordered_set<std::string> personas;
  /// In order of configuration, for `/v1/models`.
  std::vector<std::string> persona_names;
  std::vector<std::pair<std::string, std::string>> deployments;
  std::unordered_set<std::string> embedding_models;
  /// The embedder of the node, and how many dimensions its vectors have (0: not known).
  std::string embedder;
  uint32_t embedding_dimensions = 0;
  std::string default_persona;
  gateway_options limits;
  caf::timespan turn_timeout;
};

/// Name of the embedder that every node has.
inline constexpr auto built_in_embedder = "sotto-sif-100d";

/// A request to `/v1/chat/completions`, checked.
struct chat_call {
  turn_request turn;
  /// Set for a model `deployment/model`: goes to the deployment without memory.
  bool pass_through = false;
  generation direct;
  bool stream = false;
  bool include_usage = false;
};

/// Puts a turn of its owner's into the conversation of a group, or into `turn.conversation` there.
/// A group remembers for itself: what was said in private must not be recalled before others.
void speak_in(const std::string& group, bool no_conversation, turn_request& turn);

/// The parameters of a generation that are passed on to providers, as a JSON object; others are
/// left out.
std::string read_parameters(field_reader& fields);

/// The fields of a body, read with a tree; `why` says what is wrong.
chat_fields read_chat_fields(std::string_view body, size_t max_text, failure& why);
embedding_fields read_embedding_fields(std::string_view body, failure& why);
std::vector<std::string> read_emotion_texts(std::string_view body, failure& why);

/// Reads the body and headers of a chat request; `why` says what is wrong.
chat_call read_chat(const http_call& call, const surface& with, failure& why);

/// The answer of a turn or a pass-through, as one object.
std::string chat_completion(const turn_reply& reply, const std::string& trace, int64_t created);
std::string chat_completion(const completion& reply, const std::string& trace, int64_t created);

/// The events of a streamed answer, ready to be sent (`data: ...` with the blank line).
std::string chat_first_event(const std::string& model, const std::string& trace, int64_t created);
std::string chat_token_event(const std::string& text, const std::string& model,
                             const std::string& trace, int64_t created);
/// The finish event, the usage where asked for, and `[DONE]`.
std::string chat_last_events(const turn_reply& reply, bool usage, const std::string& trace,
                             int64_t created);
std::string chat_last_events(const completion& reply, bool usage, const std::string& trace,
                             int64_t created);
std::string chat_error_event(const failure& why);

std::string model_list(const surface& from, int64_t created);

/// A request to `/v1/embeddings`.
struct embeddings_call {
  std::vector<std::string> input;
  /// Of all texts together.
  size_t bytes = 0;
  std::string model;
  bool base64 = false;
};
embeddings_call read_embeddings(const std::string& body, const surface& with, failure& why);
std::string embedding_list(const std::vector<std::vector<float>>& vectors,
                           const embeddings_call& call);

/// The texts of a request to `/v1/emotions` (`input`: a string or an array), and its answer.
std::vector<std::string> read_emotions(const std::string& body, failure& why);
/// A part of the answer, its readings with commas between; and the whole of all parts in order.
std::string emotion_items(const std::vector<emotion_reading>& readings);
std::string emotion_list(const std::vector<std::string>& parts);

} // namespace sotto
