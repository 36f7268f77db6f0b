// What /v1/chat/completions, /v1/embeddings and /v1/emotions answer, in OpenAI's shapes.
#include <boost/beast/core/detail/base64.hpp>

#include "nodes/json_output.hpp"
#include "nodes/openai_api.hpp"

namespace sotto {

namespace {

/// Opens an object with what all answers of the chat call have.
void begin_frame(json_text& to, const char* object, const std::string& model,
                 const std::string& trace, int64_t created) {
  to.begin_object();
  fields(to, "id", "chatcmpl-" + trace, "object", object, "created", created, "model", model);
}

void put_usage(json_text& to, const token_usage& x) {
  to.key("usage");
  to.begin_object();
  fields(to, "prompt_tokens", x.prompt, "completion_tokens", x.completion, "total_tokens",
         x.prompt + x.completion);
  to.end_object();
}

/// The one choice there is: a `message` or a `delta` with a role and a text, where they are given.
void put_choice(json_text& to, const char* name, const char* role, const std::string* text,
                const std::string* finish) {
  to.key("choices");
  to.begin_array();
  to.begin_object();
  fields(to, "index", 0);
  to.key(name);
  to.begin_object();
  if (role)
    fields(to, "role", role);
  if (text)
    fields(to, "content", *text);
  to.end_object();
  fields(to, "logprobs", nullptr);
  to.key("finish_reason");
  if (finish)
    to.value(*finish);
  else
    to.value(nullptr);
  to.end_object();
  to.end_array();
}

void put_details(json_text& to, const turn_reply& x) {
  to.key("sotto");
  to.begin_object();
  describe_details(to, x);
  to.end_object();
}

void put_details(json_text&, const completion&) {}

template <class Reply>
std::string whole(const Reply& reply, const std::string& trace, int64_t created) {
  constexpr size_t usual = 3072; // bytes
  json_text to{usual};
  begin_frame(to, "chat.completion", reply.model, trace, created);
  put_choice(to, "message", "assistant", &reply.text, &reply.finish_reason);
  put_usage(to, reply.usage);
  put_details(to, reply);
  to.end_object();
  return to.take();
}

std::string event(const json_text& x) {
  std::string result{"data: "};
  result += x.view();
  return result += "\n\n";
}

std::string piece_event(const char* role, const std::string& text, const std::string& model,
                        const std::string& trace, int64_t created) {
  json_text to;
  begin_frame(to, "chat.completion.chunk", model, trace, created);
  put_choice(to, "delta", role, &text, nullptr);
  to.end_object();
  return event(to);
}

template <class Reply>
std::string last_events(const Reply& reply, bool usage, const std::string& trace, int64_t created) {
  json_text finish;
  begin_frame(finish, "chat.completion.chunk", reply.model, trace, created);
  put_choice(finish, "delta", nullptr, nullptr, &reply.finish_reason);
  put_details(finish, reply);
  finish.end_object();
  auto text = event(finish);
  if (usage) {
    json_text to;
    begin_frame(to, "chat.completion.chunk", reply.model, trace, created);
    to.key("choices");
    to.begin_array();
    to.end_array();
    put_usage(to, reply.usage);
    to.end_object();
    text += event(to);
  }
  return text + "data: [DONE]\n\n";
}

std::string base64_of(const std::vector<float>& x) {
  namespace base64 = boost::beast::detail::base64;
  std::string text(base64::encoded_size(x.size() * sizeof(float)), ' ');
  text.resize(base64::encode(text.data(), x.data(), x.size() * sizeof(float)));
  return text;
}

void put_vector(json_text& to, const std::vector<float>& x, bool base64) {
  to.key("embedding");
  if (base64)
    return to.value(base64_of(x));
  to.begin_array();
  for (auto y : x)
    to.value(static_cast<double>(y));
  to.end_array();
}

} // namespace

std::string chat_completion(const turn_reply& reply, const std::string& trace, int64_t created) {
  return whole(reply, trace, created);
}

std::string chat_completion(const completion& reply, const std::string& trace, int64_t created) {
  return whole(reply, trace, created);
}

std::string chat_first_event(const std::string& model, const std::string& trace, int64_t created) {
  return piece_event("assistant", {}, model, trace, created);
}

std::string chat_token_event(const std::string& text, const std::string& model,
                             const std::string& trace, int64_t created) {
  return piece_event(nullptr, text, model, trace, created);
}

std::string chat_last_events(const turn_reply& reply, bool usage, const std::string& trace,
                             int64_t created) {
  return last_events(reply, usage, trace, created);
}

std::string chat_last_events(const completion& reply, bool usage, const std::string& trace,
                             int64_t created) {
  return last_events(reply, usage, trace, created);
}

std::string chat_error_event(const failure& why) {
  return "data: " + error_answer(why).body + "\n\n";
}

std::string embedding_list(const std::vector<std::vector<float>>& vectors,
                           const embeddings_call& call) {
  json_text to;
  to.begin_object();
  fields(to, "object", "list");
  to.key("data");
  to.begin_array();
  for (size_t i = 0; i < vectors.size(); ++i) {
    to.begin_object();
    fields(to, "object", "embedding", "index", uint64_t{i});
    put_vector(to, vectors[i], call.base64);
    to.end_object();
  }
  to.end_array();
  uint64_t tokens = (call.bytes + 3) / 4; // a rough count: the embedder works on words
  fields(to, "model", call.model);
  to.key("usage");
  to.begin_object();
  fields(to, "prompt_tokens", tokens, "total_tokens", tokens);
  to.end_object();
  to.end_object();
  return to.take();
}

std::string emotion_items(const std::vector<emotion_reading>& readings) {
  constexpr size_t about = 280; // bytes a reading
  json_text to{about * (readings.size() + 1)};
  for (auto& x : readings)
    describe(to, x);
  return to.take();
}

std::string emotion_list(const std::vector<std::string>& parts) {
  constexpr std::string_view head = R"({"object":"list","data":[)", tail = "]}";
  auto bytes = head.size() + tail.size();
  for (auto& x : parts)
    bytes += x.size() + 1;
  std::string whole;
  whole.reserve(bytes);
  whole += head;
  for (auto& x : parts) {
    if (&x != &parts.front())
      whole += ',';
    whole += x;
  }
  whole += tail;
  return whole;
}

} // namespace sotto
