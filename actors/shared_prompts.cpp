#include "actors/shared_prompts.hpp"

#include <string_view>

#include <nlohmann/json.hpp>

namespace sotto {

namespace {

/// Parts of a key keep their borders: "ab", "c" is not "a", "bc".
void add(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key += ':';
  key += part;
}

} // namespace

std::string sharing_key(const generation& x) {
  if (x.parameters.empty())
    return {};
  auto given = nlohmann::json::parse(x.parameters, nullptr, false);
  if (!given.is_object())
    return {};
  auto temperature = given.find("temperature");
  if (temperature == given.end() || !temperature->is_number() || *temperature != 0)
    return {};
  std::string key{x.stream ? "s" : "w"};
  for (auto* part : {&x.tenant, &x.model, &x.persona, &x.emotion.primary})
    add(key, *part);
  add(key, given.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  key += std::to_string(x.deployments.size());
  for (auto& name : x.deployments)
    add(key, name);
  for (auto& message : x.messages) {
    add(key, message.role);
    add(key, message.content);
  }
  key += '|';
  for (auto& y : x.memories) {
    add(key, y.what.speaker);
    add(key, y.what.text);
  }
  return key;
}

} // namespace sotto
