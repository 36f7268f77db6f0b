#include "actors/turn_journal.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <xxhash.h>

namespace sotto {

namespace {

using json = nlohmann::json;

json to_json(const emotion_reading& x) {
  auto mixed = json::array();
  for (auto& y : x.mixed)
    mixed.push_back({y.category, y.intensity});
  return {{"neg", x.neg},
          {"neu", x.neu},
          {"pos", x.pos},
          {"compound", x.compound},
          {"primary", x.primary},
          {"intensity", x.intensity},
          {"confidence", x.confidence},
          {"valence", x.valence},
          {"arousal", x.arousal},
          {"dominance", x.dominance},
          {"mixed", std::move(mixed)}};
}

emotion_reading emotion_from(const json& x) {
  emotion_reading result;
  result.neg = x.value("neg", 0.0);
  result.neu = x.value("neu", 0.0);
  result.pos = x.value("pos", 0.0);
  result.compound = x.value("compound", 0.0);
  result.primary = x.value("primary", "neutral");
  result.intensity = x.value("intensity", 0.0F);
  result.confidence = x.value("confidence", 0.0F);
  result.valence = x.value("valence", 0.0F);
  result.arousal = x.value("arousal", 0.5F);
  result.dominance = x.value("dominance", 0.5F);
  for (auto& y : x.value("mixed", json::array()))
    result.mixed.push_back({y.at(0).get<std::string>(), y.at(1).get<float>()});
  return result;
}

json to_json(const turn_reply& x) {
  // Of a recalled memory its id alone: what it says must be gone when it is removed.
  auto memories = json::array();
  for (auto& y : x.memories)
    memories.push_back({y.what.id, y.score, y.why});
  return {{"model", x.model},
          {"finish_reason", x.finish_reason},
          {"usage", {x.usage.prompt, x.usage.completion}},
          {"emotion", to_json(x.emotion)},
          {"memories", std::move(memories)},
          {"topics", x.topics},
          {"analyses", x.analyses},
          {"degraded", x.degraded},
          {"level", to_string(x.level)},
          {"duration", x.duration}};
}

turn_reply reply_from(const json& x, const owner_index& index) {
  turn_reply result;
  result.model = x.value("model", "");
  result.finish_reason = x.value("finish_reason", "stop");
  result.usage.prompt = x.at("usage").at(0).get<uint32_t>();
  result.usage.completion = x.at("usage").at(1).get<uint32_t>();
  result.emotion = emotion_from(x.at("emotion"));
  for (auto& y : x.at("memories"))
    if (auto found = index.find(y.at(0).get<std::string>()))
      result.memories.push_back({*found, y.at(1).get<float>(), y.at(2).get<std::string>()});
  result.topics = x.at("topics").get<std::vector<std::string>>();
  result.analyses = x.at("analyses").get<decltype(result.analyses)>();
  result.degraded = x.at("degraded").get<std::vector<std::string>>();
  result.level = priority_from(x.value("level", "")).value_or(priority::normal);
  result.duration = x.value("duration", int64_t{0});
  result.memory_stored = true;
  return result;
}

size_t size_of(const turn_record& x) {
  return sizeof(x) + 128 + 3 * (x.conversation.size() + x.key.size()) + x.details.size();
}

} // namespace

uint64_t text_hash(const std::string& text) {
  return XXH3_64bits(text.data(), text.size());
}

turn_record record_of(const turn_request& turn, const turn_reply& reply, int64_t created) {
  turn_record x;
  x.conversation = turn.conversation;
  x.key = turn.idempotency_key;
  x.text_hash = text_hash(turn.text);
  x.created = created;
  // A provider's words need not be UTF-8.
  x.details = to_json(reply).dump(-1, ' ', false, json::error_handler_t::replace);
  return x;
}

std::string turn_journal::place_of(const std::string& conversation, const std::string& key) {
  return std::to_string(conversation.size()) + ':' + conversation + key;
}

turn_found turn_journal::find(const turn_opening& x, const owner_index& index) const {
  turn_found result;
  auto at = records_.find(place_of(x.conversation, x.key));
  if (at == records_.end())
    return result;
  auto& known = at->second;
  if (known.text_hash != x.text_hash) {
    result.what = turn_found::kind::conflict;
  } else if (known.reply == 0) {
    result.what = turn_found::kind::interrupted;
  } else if (auto line = index.at(known.reply)) {
    result.what = turn_found::kind::done;
    try {
      result.reply = reply_from(json::parse(known.details), index);
    } catch (const json::exception&) {
      result.reply = {}; // a damaged record is no reason to speak twice
      result.reply.memory_stored = true;
    }
    result.reply.text = line->text;
  } else {
    result.what = turn_found::kind::removed;
  }
  return result;
}

int64_t turn_journal::begun(const turn_record& x) const {
  auto at = records_.find(place_of(x.conversation, x.key));
  if (at != records_.end())
    return at->second.created;
  return order_.empty() ? x.created : std::max(x.created, order_.back().first);
}

bool turn_journal::over(const turn_record& x) const {
  auto at = records_.find(place_of(x.conversation, x.key));
  return at != records_.end() && at->second.reply != 0;
}

void turn_journal::put(turn_record x) {
  auto place = place_of(x.conversation, x.key);
  auto [at, isnew] = records_.try_emplace(place);
  if (isnew)
    order_.emplace_back(x.created, std::move(place));
  else
    bytes_ -= size_of(at->second);
  at->second = std::move(x);
  bytes_ += size_of(at->second);
}

void turn_journal::drop(const std::string& place) {
  auto at = records_.find(place);
  if (at == records_.end())
    return;
  bytes_ -= size_of(at->second);
  records_.erase(at);
}

int64_t turn_journal::prune(int64_t since, size_t most) {
  size_t gone = 0;
  while (gone < order_.size() && (order_.size() - gone > most || order_[gone].first < since))
    drop(order_[gone++].second);
  order_.erase(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(gone));
  return order_.empty() ? since : order_.front().first;
}

} // namespace sotto
