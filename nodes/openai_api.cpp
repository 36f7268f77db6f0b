#include "nodes/openai_api.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "messages/json_input.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

constexpr uint32_t built_in_dimensions = 100;

using json = nlohmann::json;

void refuse_unsupported(field_reader& fields) {
  for (auto* key : unsupported_parameters)
    if (auto* x = fields.find(key); x && *x != json(false) && !x->empty() && *x != "none")
      fields.refuse(key, "is not supported");
  if (auto n = fields.integer("n", 1, 128); n && *n != 1)
    fields.refuse("n", "must be 1: one reply a turn");
  if (auto* x = fields.find("modalities"); x && *x != json::array({"text"}))
    fields.refuse("modalities", "must be [\"text\"]");
}

} // namespace

std::string read_parameters(field_reader& fields) {
  auto kept = json::object();
  for (auto& x : number_parameters)
    if (auto value = fields.number(x.key, x.least, x.most))
      kept[x.key] = *value;
  for (auto* key : count_parameters)
    if (auto value = fields.integer(key, 1, most_tokens))
      kept[key] = *value;
  if (auto seed = fields.integer("seed", INT64_MIN, INT64_MAX))
    kept["seed"] = *seed;
  if (auto* stop = fields.find("stop")) {
    auto text = [](const json& x) { return x.is_string(); };
    if (!text(*stop) && !(stop->is_array() && std::all_of(stop->begin(), stop->end(), text)))
      fields.refuse("stop", "must be a string or an array of strings");
    kept["stop"] = *stop;
  }
  if (auto* format = fields.find("response_format")) {
    if (!format->is_object())
      fields.refuse("response_format", "must be a JSON object");
    kept["response_format"] = *format;
  }
  return kept.empty() ? std::string{} : kept.dump();
}

namespace {

/// The text of a message: a string, or parts of type text.
std::string read_content(field_reader& fields, size_t most) {
  auto* content = fields.find("content");
  if (!content || content->is_string())
    return fields.text("content", most);
  if (!content->is_array()) {
    fields.refuse("content", "must be a string or an array of text parts");
    return {};
  }
  std::string text;
  for (auto& part : *content) {
    if (!part.is_object() || part.value("type", json{}) != "text" || !part.contains("text")
        || !part["text"].is_string()) {
      fields.refuse("content", "may hold parts of type text only");
      return {};
    }
    text += part["text"].get_ref<const std::string&>();
  }
  if (text.size() > most)
    fields.refuse("content", fmt::format("is longer than {} bytes", most));
  return text;
}

std::vector<chat_message> read_messages(field_reader& fields, size_t max_text, failure& why) {
  std::vector<chat_message> result;
  auto* messages = fields.find("messages");
  if (!messages || !messages->is_array() || messages->empty() || messages->size() > max_messages) {
    fields.refuse("messages", fmt::format("must be an array of 1 to {} messages", max_messages));
    return result;
  }
  size_t bytes = 0;
  for (size_t i = 0; i < messages->size() && !why; ++i) {
    auto last = i + 1 == messages->size();
    auto& x = (*messages)[i];
    field_reader message{x, why, fmt::format("messages[{}].", i)};
    chat_message read{message.text("role", 32, true), {}};
    if (read.role == "developer")
      read.role = "system";
    if (!why && read.role != "system" && read.role != "user" && read.role != "assistant")
      message.refuse("role", "must be system, developer, user or assistant");
    if (!why && last && read.role != "user")
      message.refuse("role", "must be user in the last message");
    read.content = read_content(message, last ? max_text : max_history_bytes);
    bytes += read.content.size();
    result.push_back(std::move(read));
  }
  if (bytes > max_history_bytes)
    fields.refuse("messages", fmt::format("are longer than {} bytes together", max_history_bytes));
  if (!why && result.back().content.empty())
    why = {ec::invalid, "the last message has no text", "messages"};
  return result;
}

/// Finds the persona or the deployment that `model` names.
void choose_model(const std::string& model, const surface& with, chat_call& to, failure& why) {
  if (with.has_persona(model)) {
    to.turn.persona = model;
    return;
  }
  if (model.empty()) {
    to.turn.persona = with.default_persona;
    return;
  }
  auto slash = model.find('/');
  for (auto& [name, own_model] : with.deployments) {
    if (slash == std::string::npos || model.substr(0, slash) != name)
      continue;
    to.pass_through = true;
    to.direct.deployments = {name};
    to.direct.model = model.substr(slash + 1);
    return;
  }
  why = {ec::not_found,
         fmt::format("there is no model '{}'; GET /v1/models lists what there is", model), "model"};
}

void choose_owner(const http_call& call, std::string user, turn_request& turn, failure& why) {
  if (user.empty())
    user = call.user;
  turn.owner = {call.who.tenant, user};
  turn.speaker = user.empty() ? "user" : user;
  turn.conversation = call.conversation.empty() ? user : call.conversation;
  turn.idempotency_key = call.idempotency_key;
  if (!why && (call.group.size() > max_name_bytes || (!call.group.empty() && user.empty())))
    why = {ec::invalid,
           fmt::format("'Sotto-Group' has at most {} bytes and needs a 'user': who speaks there",
                       max_name_bytes),
           "Sotto-Group"};
  if (!call.group.empty())
    speak_in(call.group, call.conversation.empty(), turn);
  if (!why && (user.size() > max_name_bytes || turn.conversation.size() > max_name_bytes))
    why = {ec::invalid,
           fmt::format("users and conversations have at most {} bytes", max_name_bytes), "user"};
}

/// `Last-Event-ID` is the byte of the reply up to which the client has it (WHATWG HTML,
/// "Server-sent events").
void read_resumption(const http_call& call, chat_call& to, failure& why) {
  if (call.last_event.empty() || why)
    return;
  constexpr auto param = "Last-Event-ID";
  auto& text = call.last_event;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), to.turn.resume_from);
  if (ec != std::errc{} || end != text.data() + text.size() || to.turn.resume_from < 0)
    why = {sotto::ec::invalid, "'Last-Event-ID' must be the id of an event of this reply", param};
  else if (call.idempotency_key.empty() || !to.stream || to.pass_through)
    why = {sotto::ec::invalid,
           "'Last-Event-ID' takes up a persona's stream: it needs 'Idempotency-Key' and 'stream'",
           param};
}

/// A string, or an array of strings.
std::vector<std::string> read_input(field_reader& fields, size_t most) {
  std::vector<std::string> result;
  auto* input = fields.find("input");
  if (input && input->is_string()) {
    result.push_back(fields.text("input", max_input_bytes));
    return result;
  }
  if (!input || !input->is_array() || input->empty() || input->size() > most) {
    fields.refuse("input", fmt::format("must be a string or an array of 1 to {} strings", most));
    return result;
  }
  for (auto& x : *input) {
    if (!x.is_string() || x.get_ref<const std::string&>().size() > max_input_bytes) {
      fields.refuse("input",
                    fmt::format("may hold strings of at most {} bytes only", max_input_bytes));
      return result;
    }
    result.push_back(x.get<std::string>());
  }
  return result;
}

} // namespace

surface::surface(const options& from)
    : limits(from.gateway), turn_timeout(from.session.turn_timeout) {
  for (auto& x : from.personas) {
    personas.insert(x.name);
    persona_names.push_back(x.name);
  }
  for (auto& x : from.llm.deployments)
    deployments.emplace_back(x.name, x.model);
  auto& provider = from.embedding;
  embedder = provider.provider() ? provider.model : built_in_embedder;
  embedding_dimensions = provider.provider() ? provider.dimensions : built_in_dimensions;
  embedding_models.insert(embedder);
  embedding_models.insert(from.senses.embedding_aliases.begin(),
                          from.senses.embedding_aliases.end());
  default_persona = from.personas.empty() ? "" : from.personas.front().name;
}

void speak_in(const std::string& group, bool no_conversation, turn_request& turn) {
  turn.author = turn.owner.owner;
  turn.owner.owner = std::string{group_prefix} + group;
  if (no_conversation)
    turn.conversation = group;
}

chat_fields read_chat_fields(std::string_view text, size_t max_text, failure& why) {
  chat_fields result;
  auto body = parse_json(text, why);
  if (why)
    return result;
  field_reader fields{body, why};
  result.model = fields.text("model", max_name_bytes);
  result.messages = read_messages(fields, max_text, why);
  result.stream = fields.flag("stream", false);
  if (auto* extra = fields.find("stream_options"); extra && !why) {
    field_reader inner{*extra, why, "stream_options."};
    result.include_usage = inner.flag("include_usage", false);
  }
  refuse_unsupported(fields);
  result.parameters = read_parameters(fields);
  result.user = fields.id("user", max_name_bytes);
  return result;
}

chat_call read_chat(const http_call& call, const surface& with, failure& why) {
  chat_call result;
  auto max_text = with.limits.max_text;
  auto quick = quick_chat_fields(call.body, max_text);
  auto fields = quick ? std::move(*quick) : read_chat_fields(call.body, max_text, why);
  if (why)
    return result;
  auto& messages = fields.messages;
  result.stream = fields.stream;
  result.include_usage = fields.include_usage;
  choose_owner(call, std::move(fields.user), result.turn, why);
  if (!why)
    choose_model(fields.model, with, result, why);
  read_resumption(call, result, why);
  if (why)
    return result;
  result.turn.stream = result.direct.stream = result.stream;
  if (result.pass_through) {
    result.direct.tenant = result.turn.owner.tenant;
    result.direct.messages = std::move(messages);
    result.direct.parameters = std::move(fields.parameters);
    return result;
  }
  result.turn.text = std::move(messages.back().content);
  messages.pop_back();
  result.turn.history = std::move(messages);
  result.turn.parameters = std::move(fields.parameters);
  return result;
}

std::string model_list(const surface& from, int64_t created) {
  auto data = json::array();
  auto add = [&](const std::string& id, const char* owner) {
    data.push_back({{"id", id}, {"object", "model"}, {"created", created}, {"owned_by", owner}});
  };
  for (auto& x : from.persona_names)
    add(x, "sotto");
  for (auto& [name, model] : from.deployments)
    add(name + '/' + model, name.c_str());
  add(from.embedder, from.embedder == built_in_embedder ? "sotto" : "embedding");
  return dump({{"object", "list"}, {"data", std::move(data)}});
}

embedding_fields read_embedding_fields(std::string_view text, failure& why) {
  embedding_fields result;
  auto body = parse_json(text, why);
  if (why)
    return result;
  field_reader fields{body, why};
  result.model = fields.text("model", max_name_bytes);
  result.input = read_input(fields, max_embedding_inputs);
  result.format = fields.text("encoding_format", 16);
  if (!result.format.empty() && result.format != "float" && result.format != "base64")
    fields.refuse("encoding_format", "must be float or base64");
  result.dimensions = fields.integer("dimensions", 1, most_dimensions);
  return result;
}

std::vector<std::string> read_emotion_texts(std::string_view text, failure& why) {
  auto body = parse_json(text, why);
  if (why)
    return {};
  field_reader fields{body, why};
  return read_input(fields, max_emotion_inputs);
}

embeddings_call read_embeddings(const std::string& text, const surface& with, failure& why) {
  embeddings_call result;
  auto quick = quick_embedding_fields(text);
  auto fields = quick ? std::move(*quick) : read_embedding_fields(text, why);
  if (auto d = fields.dimensions; !why && d && *d != with.embedding_dimensions)
    why = {ec::invalid,
           with.embedding_dimensions == 0
               ? "'dimensions' cannot be chosen here; embedding.dimensions of the node does"
               : fmt::format("'dimensions' must be {}: this node's embedder has no other",
                             with.embedding_dimensions),
           "dimensions"};
  if (!why && !fields.model.empty() && !with.embedding_models.contains(fields.model))
    why = {ec::not_found,
           fmt::format("there is no embedding model '{}'; this node's is '{}'", fields.model,
                       with.embedder),
           "model"};
  for (auto& x : fields.input)
    result.bytes += x.size();
  result.input = std::move(fields.input);
  result.base64 = fields.format == "base64";
  result.model = with.embedder;
  return result;
}

std::vector<std::string> read_emotions(const std::string& text, failure& why) {
  auto quick = quick_emotion_texts(text);
  return quick ? std::move(*quick) : read_emotion_texts(text, why);
}

} // namespace sotto
