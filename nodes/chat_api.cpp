#include "nodes/chat_api.hpp"

#include <fmt/format.h>

#include "messages/json_input.hpp"
#include "messages/time_text.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_batch = 10;

metadata_level read_level(field_reader& fields) {
  auto name = fields.text("metadata_level", 32);
  if (name == "basic")
    return metadata_level::basic;
  if (name == "extended")
    return metadata_level::extended;
  if (!name.empty() && name != "standard")
    fields.refuse("metadata_level", "must be basic, standard or extended");
  return metadata_level::standard;
}

/// The channel that many read; empty where the user talks with the companion alone.
std::string channel_of(const json* context, failure& why) {
  if (!context)
    return {};
  field_reader fields{*context, why, "context."};
  auto channel = fields.id("channel_id", max_name_bytes);
  auto kind = fields.text("channel_type", 64);
  fields.text("platform", 64);
  fields.object("metadata", 64 << 10);
  return kind == "dm" ? std::string{} : channel;
}

turn_request read_turn(field_reader& fields, const std::string& tenant, const surface& with,
                       failure& why) {
  turn_request turn;
  auto user = fields.id("user_id", max_name_bytes, true);
  turn.text = fields.text("message", with.limits.max_text, true);
  auto channel = channel_of(fields.find("context"), why);
  turn.owner = {tenant, user};
  turn.speaker = turn.conversation = user;
  if (!channel.empty())
    speak_in(channel, true, turn);
  turn.persona = with.default_persona;
  return turn;
}

json components(const turn_reply& reply) {
  auto emotion = to_json_value(reply.emotion);
  auto moments = json::array();
  for (auto& x : reply.memories)
    moments.push_back({{"text", x.what.text}, {"score", x.score}});
  return {{"emotion_data",
           {{"primary_emotion", reply.emotion.primary},
            {"intensity", emotion["intensity"]},
            {"confidence", emotion["confidence"]},
            {"mixed_emotions", emotion["mixed"]},
            {"sentiment_compound", emotion["compound"]}}},
          {"context_analysis", {{"topics", reply.topics}}},
          {"memory_count", reply.memories.size()},
          {"recalled", std::move(moments)},
          {"degraded", reply.degraded}};
}

} // namespace

plain_chat_call read_plain_chat(const std::string& text, const std::string& tenant,
                                const surface& with, failure& why) {
  plain_chat_call result;
  auto body = parse_json(text, why);
  if (why)
    return result;
  field_reader fields{body, why};
  result.level = read_level(fields);
  result.turns.push_back(read_turn(fields, tenant, with, why));
  return result;
}

plain_batch_call read_plain_batch(const std::string& text, const std::string& tenant,
                                  const surface& with, failure& why) {
  plain_batch_call result;
  auto body = parse_json(text, why);
  if (why)
    return result;
  field_reader fields{body, why};
  result.level = read_level(fields);
  auto* messages = fields.find("messages");
  if (!messages || !messages->is_array() || messages->empty() || messages->size() > max_batch) {
    fields.refuse("messages", fmt::format("must be an array of 1 to {}", max_batch));
    return result;
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    failure own;
    field_reader message{(*messages)[i], own, fmt::format("messages[{}].", i)};
    result.turns.push_back(read_turn(message, tenant, with, own));
    result.problems.push_back(std::move(own));
  }
  return result;
}

json plain_chat_answer(const turn_request& turn, const turn_reply& reply, metadata_level level,
                       int64_t created) {
  json x{{"success", true},
         {"response", reply.text},
         {"timestamp", rfc3339(created)},
         {"bot_name", turn.persona},
         {"processing_time_ms", static_cast<double>(reply.duration / 1000) / 1000},
         {"memory_stored", reply.memory_stored}};
  if (level == metadata_level::basic)
    return x;
  x["metadata"] = {{"ai_components", components(reply)},
                   {"context_detection", {{"conversation", turn.conversation}}}};
  if (level == metadata_level::extended)
    x["user_facts"] = {{"name", turn.speaker}};
  return x;
}

json plain_chat_failure(const failure& why, const std::string& bot, int64_t created) {
  return {{"success", false},
          {"error", why.message},
          {"timestamp", rfc3339(created)},
          {"bot_name", bot}};
}

json plain_batch_answer(std::vector<json> results, const plain_batch_call& call,
                        const std::string& bot, int64_t created) {
  for (size_t i = 0; i < results.size(); ++i) {
    results[i]["index"] = i;
    results[i]["user_id"] = call.turns[i].speaker;
    results[i].erase("timestamp");
    results[i].erase("bot_name");
  }
  auto total = results.size();
  return {{"results", std::move(results)},
          {"total_processed", total},
          {"timestamp", rfc3339(created)},
          {"bot_name", bot}};
}

json bot_info(const surface& from, int64_t created) {
  return {{"bot_name", from.default_persona},
          {"bot_id", from.default_persona},
          {"status", "online"},
          {"platform", "sotto"},
          {"api_version", "1.0"},
          {"capabilities", {"chat", "batch_chat", "memory", "emotion"}},
          {"character_info", {{"character_name", from.default_persona}, {"has_personality", true}}},
          {"timestamp", rfc3339(created)}};
}

} // namespace sotto
