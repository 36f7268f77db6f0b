#include "nodes/native_calls.hpp"

#include <array>

#include <utf8.h>

#include "messages/json_input.hpp"
#include "messages/time_text.hpp"
#include "nodes/memory_api.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_key = 255, max_parameters = 8 << 10;
constexpr uint32_t max_page = 1000;
/// A listener that is lost is forgotten after so long.
constexpr int64_t longest_lease = 5LL * 60 * 1'000'000'000;

failure wrong(const std::string& field, std::string_view must) {
  return {ec::invalid, fmt::format("'{}' {}", field, must), field};
}

failure text(const std::string& x, const char* field, size_t most, bool required = false) {
  if (required && x.empty())
    return wrong(field, "is required");
  if (x.size() > most)
    return {ec::too_large,
            fmt::format("'{}' has {} bytes; at most {} are allowed", field, x.size(), most), field};
  if (!utf8::is_valid(x.begin(), x.end()))
    return wrong(field, "must be UTF-8");
  return {};
}

failure first(std::initializer_list<failure> all) {
  for (auto& x : all)
    if (x)
      return x;
  return {};
}

failure object(const std::string& x, const char* field, size_t most) {
  if (x.empty())
    return {};
  if (auto why = text(x, field, most))
    return why;
  failure why;
  auto value = parse_json(x, why);
  if (why || !value.is_object())
    return wrong(field, "must be a JSON object as text");
  return {};
}

failure owner(owner_key& x, const std::string& tenant, bool required = true) {
  x.tenant = tenant;
  return text(x.owner, "owner", max_name_bytes, required);
}

failure history(const std::vector<chat_message>& all, size_t most) {
  constexpr std::array<std::string_view, 3> roles{"system", "user", "assistant"};
  for (auto& x : all) {
    if (std::find(roles.begin(), roles.end(), x.role) == roles.end())
      return wrong("history", "may have the roles system, user and assistant");
    if (auto why = text(x.content, "history", most))
      return why;
  }
  return {};
}

failure parameters(std::string& x) {
  if (auto why = object(x, "parameters", max_parameters); why || x.empty())
    return why;
  failure why;
  auto all = parse_json(x, why);
  field_reader fields{all, why, "parameters."};
  x = read_parameters(fields);
  return why;
}

/// As HTTP has it, so that one reader checks both.
json described(const memory_write& x, failure& why) {
  auto all = json::array();
  for (auto& y : x.memories) {
    for (auto* part : {&x.owner.owner, &y.id, &y.text, &y.speaker, &y.conversation, &y.metadata})
      if (!utf8::is_valid(part->begin(), part->end()))
        why = wrong("memories", "must be UTF-8");
    json one{{"user", x.owner.owner},
             {"text", y.text},
             {"id", y.id},
             {"speaker", y.speaker},
             {"conversation", y.conversation}};
    if (!y.metadata.empty() && !why)
      one["metadata"] = parse_json(y.metadata, why);
    if (y.created != 0)
      one["created"] = rfc3339(y.created);
    all.push_back(std::move(one));
  }
  return all;
}

} // namespace

failure check_call(turn_request& x, const surface& with, const std::string& tenant,
                   const std::string& nobodys) {
  auto why =
      first({owner(x.owner, tenant, false), text(x.text, "text", with.limits.max_text, true),
             text(x.conversation, "conversation", max_name_bytes),
             text(x.speaker, "speaker", max_name_bytes), text(x.author, "author", max_name_bytes),
             text(x.persona, "persona", max_name_bytes),
             text(x.idempotency_key, "idempotency_key", max_key),
             history(x.history, with.limits.max_body), parameters(x.parameters)});
  if (why)
    return why;
  if (x.resume_from >= 0) {
    if (x.idempotency_key.empty())
      return wrong("idempotency_key", "is required with 'resume_from'");
    x.stream = true;
  }
  if (x.persona.empty())
    x.persona = with.default_persona;
  if (!with.has_persona(x.persona))
    return {ec::not_found, "there is no persona '" + x.persona + "'", "persona"};
  if (x.speaker.empty())
    x.speaker = x.owner.owner.empty() ? "user" : x.owner.owner;
  if (x.owner.owner.empty())
    x.conversation = nobodys;
  else if (x.conversation.empty())
    x.conversation = x.owner.owner;
  return {};
}

failure check_call(memory_query& x, const std::string& tenant) {
  auto why = first({owner(x.owner, tenant), text(x.text, "text", 32 << 10, true),
                    object(x.where, "where", max_parameters)});
  if (!why && (x.k == 0 || x.k > 1000))
    why = wrong("k", "must be from 1 to 1000");
  x.vector.clear(); // the node's to find
  return why;
}

failure check_call(memory_write& x, const std::string& tenant) {
  failure why;
  auto body = described(x, why);
  if (why)
    return why;
  auto read = read_remember(body, tenant, why);
  if (why)
    return why;
  x = std::move(read.writes.at(0)); // one owner, in the given order
  return {};
}

failure check_call(memory_page_query& x, const std::string& tenant) {
  auto why = first({owner(x.owner, tenant), text(x.after, "after", max_name_bytes)});
  if (!why && (x.limit == 0 || x.limit > max_page))
    why = wrong("limit", "must be from 1 to 1000");
  return why;
}

failure check_call(native_remove& x, const std::string& tenant) {
  return first({owner(x.owner, tenant), text(x.id, "id", max_name_bytes, true)});
}

failure check_call(native_forget& x, const std::string& tenant) {
  return owner(x.owner, tenant);
}

failure check_call(native_subscribe& x, const surface& with, const std::string& tenant) {
  auto why = first({owner(x.owner, tenant), text(x.conversation, "conversation", max_name_bytes),
                    text(x.wanted.persona, "persona", max_name_bytes)});
  if (why)
    return why;
  if (x.conversation.empty())
    x.conversation = x.owner.owner;
  if (x.wanted.persona.empty())
    x.wanted.persona = with.default_persona;
  if (!with.has_persona(x.wanted.persona))
    return {ec::not_found, "there is no persona '" + x.wanted.persona + "'", "persona"};
  x.wanted.kinds &= all_events;
  x.wanted.lease = std::clamp<int64_t>(x.wanted.lease, 0, longest_lease);
  return {};
}

} // namespace sotto
