#include "actors/prompt.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "messages/time_text.hpp"

namespace sotto {

namespace {

constexpr size_t bytes_per_token = 4;

std::string date_of(int64_t micros) {
  constexpr size_t day = 10; // of an RFC 3339 time
  return rfc3339(micros).substr(0, day);
}

bool stands_in(const std::vector<spoken_line>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(), [&](auto& x) { return x.text == text; });
}

std::string system_text(const prompt_parts& parts) {
  constexpr size_t around = 64; // bytes of what is said about each part
  auto size = parts.persona.system_prompt.size() + parts.before.size() + 4 * around;
  for (auto& x : parts.memories)
    size += x.what.text.size() + x.what.speaker.size() + around;
  std::string result;
  result.reserve(size);
  result += parts.persona.system_prompt;
  if (parts.mood.primary != "neutral")
    result += fmt::format("\n\nThe person's mood as their words show it: {} ({:.1f} of 1).",
                          parts.mood.primary, parts.mood.intensity);
  if (!parts.before.empty() && !brings_context(parts.turn)) {
    result += "\n\nWhat was said earlier in this conversation, in short:\n";
    result += parts.before;
  }
  auto begun = false;
  for (auto& x : parts.memories) {
    if (stands_in(parts.recent, x.what.text))
      continue;
    if (!begun)
      result += "\n\nWhat you remember that may matter now:";
    begun = true;
    result += "\n- ";
    result += date_of(x.what.created);
    result += ", ";
    result += x.what.own ? "you" : x.what.speaker;
    result += ": ";
    result += x.what.text;
  }
  return result;
}

chat_message message_of(const spoken_line& line, const turn_request& turn) {
  if (line.own)
    return {"assistant", line.text};
  // Where several people speak, the model must know who said what.
  if (line.speaker != turn.owner.owner)
    return {"user", fmt::format("{}: {}", line.speaker, line.text)};
  return {"user", line.text};
}

size_t first_that_fits(const std::vector<spoken_line>& recent, const session_options& options) {
  auto left = options.context_tokens * bytes_per_token;
  auto first = recent.size();
  while (first > 0 && recent.size() - first < options.context_lines
         && recent[first - 1].text.size() <= left)
    left -= recent[--first].text.size();
  return first;
}

} // namespace

bool brings_context(const turn_request& turn) {
  return std::any_of(turn.history.begin(), turn.history.end(),
                     [](auto& x) { return x.role != "system"; });
}

std::vector<chat_message> build_prompt(const prompt_parts& parts, const session_options& options) {
  std::vector<chat_message> result;
  result.reserve(2 + parts.turn.history.size() + parts.recent.size());
  result.push_back({"system", system_text(parts)});
  result.insert(result.end(), parts.turn.history.begin(), parts.turn.history.end());
  if (!brings_context(parts.turn)) {
    for (auto i = first_that_fits(parts.recent, options); i < parts.recent.size(); ++i)
      result.push_back(message_of(parts.recent[i], parts.turn));
  }
  result.push_back(message_of({parts.turn.speaker, parts.turn.text, false}, parts.turn));
  return result;
}

std::vector<recalled> to_answer_from(const std::vector<recalled>& found) {
  std::vector<recalled> result(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    auto& from = found[i].what;
    auto& to = result[i].what;
    result[i].score = found[i].score;
    to.text = from.text;
    to.speaker = from.speaker;
    to.created = from.created;
    to.seq = from.seq;
    to.own = from.own;
  }
  return result;
}

std::string merge_parameters(const std::string& given, const persona_options& persona) {
  if (persona.temperature < 0)
    return given;
  if (given.empty())
    return fmt::format(R"({{"temperature":{}}})", persona.temperature);
  auto object = nlohmann::json::parse(given, nullptr, false);
  if (!object.is_object())
    return given;
  if (!object.contains("temperature"))
    object["temperature"] = persona.temperature;
  return object.dump();
}

} // namespace sotto
