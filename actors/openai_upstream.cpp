#include "actors/openai_upstream.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t told_bytes = 300;

/// The text of an error in any of the shapes that providers send; empty where there is none.
std::string error_text(const json& body) {
  if (!body.is_object() || !body.contains("error") || body["error"].is_null())
    return {};
  auto& e = body["error"];
  if (e.is_string())
    return e.get<std::string>();
  if (e.is_object() && e.contains("message") && e["message"].is_string())
    return e["message"].get<std::string>();
  return "an error without a message";
}

std::string shortened(std::string text) {
  if (text.size() <= told_bytes)
    return text;
  auto end = told_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return text.substr(0, end) + "...";
}

failure failed(const llm_deployment& from, std::string_view what) {
  return {ec::upstream_failed, fmt::format("{}: {}", from.name, what), {}};
}

uint32_t count_of(const json& usage, const char* key) {
  auto at = usage.find(key);
  return at != usage.end() && at->is_number_unsigned() ? at->get<uint32_t>() : 0;
}

void read_usage(const json& body, completion& to) {
  auto at = body.find("usage");
  if (at == body.end() || !at->is_object())
    return;
  to.usage = {count_of(*at, "prompt_tokens"), count_of(*at, "completion_tokens")};
}

std::string text_of(const json& object, const char* key) {
  auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

/// The first choice, or nothing.
const json* first_choice(const json& body) {
  auto at = body.find("choices");
  if (at == body.end() || !at->is_array() || at->empty() || !(*at)[0].is_object())
    return nullptr;
  return &(*at)[0];
}

void read_names(const json& body, const json& choice, completion& to, const llm_deployment& from) {
  if (auto model = text_of(body, "model"); !model.empty())
    to.model = model;
  if (auto reason = text_of(choice, "finish_reason"); !reason.empty())
    to.finish_reason = reason;
  to.deployment = from.name;
}

} // namespace

std::string chat_body(const generation& ask, const llm_deployment& to) {
  auto body = json::object();
  if (!ask.parameters.empty())
    if (auto given = json::parse(ask.parameters, nullptr, false); given.is_object())
      body = std::move(given);
  body["model"] = ask.model.empty() ? to.model : ask.model;
  auto messages = json::array();
  for (auto& x : ask.messages)
    messages.push_back({{"role", x.role}, {"content", x.content}});
  body["messages"] = std::move(messages);
  if (ask.stream) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
  }
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

chat_answer read_answer(std::string_view text, const llm_deployment& from) {
  chat_answer result;
  auto body = json::parse(text, nullptr, false);
  if (!body.is_object()) {
    result.why = failed(from, "the answer is not a JSON object");
    return result;
  }
  if (auto error = error_text(body); !error.empty()) {
    result.why = failed(from, shortened(error));
    return result;
  }
  auto* choice = first_choice(body);
  if (!choice || !choice->contains("message") || !(*choice)["message"].is_object()) {
    result.why = failed(from, "the answer has no choices[0].message");
    return result;
  }
  result.result.model = from.model;
  result.result.text = text_of((*choice)["message"], "content");
  read_names(body, *choice, result.result, from);
  read_usage(body, result.result);
  return result;
}

chat_piece read_piece(std::string_view data, completion& total, const llm_deployment& from) {
  chat_piece result;
  if (data == "[DONE]") {
    result.done = true;
    return result;
  }
  auto body = json::parse(data, nullptr, false);
  if (!body.is_object()) {
    result.why = failed(from, "an event of the stream is not a JSON object");
    return result;
  }
  if (auto error = error_text(body); !error.empty()) {
    result.why = failed(from, shortened(error));
    return result;
  }
  read_usage(body, total);
  if (auto* choice = first_choice(body)) {
    if (auto delta = choice->find("delta"); delta != choice->end() && delta->is_object())
      result.text = text_of(*delta, "content");
    read_names(body, *choice, total, from);
    total.text += result.text;
  }
  return result;
}

failure read_refusal(unsigned status, uint32_t retry_after, std::string_view text,
                     const llm_deployment& from) {
  if (status == 401 || status == 403)
    return failed(from, fmt::format("the provider refused the key (HTTP {}); check api_key_env or "
                                    "api_key_file",
                                    status));
  auto said = error_text(json::parse(text, nullptr, false));
  auto why = failed(from, said.empty() ? fmt::format("HTTP {}", status)
                                       : fmt::format("HTTP {}: {}", status, shortened(said)));
  if (status == 429) {
    why.code = ec::overloaded;
    why.param = fmt::format("{}", retry_after);
  } else if (status >= 400 && status < 500 && status != 404 && status != 408) {
    why.code = ec::invalid;
  }
  return why;
}

} // namespace sotto
