#include "actors/turn_level.hpp"

#include <algorithm>

namespace sotto {

namespace {

constexpr int64_t active_for = 30'000'000'000;
/// Who was silent for this long no longer counts as in the channel (nanoseconds).
constexpr int64_t present_for = 600'000'000'000;
constexpr size_t most_read = 1024;
constexpr uint32_t high_from = 80, low_up_to = 50;

constexpr std::array<std::string_view, 8> pressing{
    "urgent", "urgently", "emergency", "asap", "help", "immediately", "hurry", "critical"};

constexpr char folded(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

bool is_pressing(std::string_view word) {
  auto same = [&](std::string_view x) {
    return x.size() == word.size()
           && std::equal(x.begin(), x.end(), word.begin(),
                         [](char a, char b) { return a == folded(b); });
  };
  return std::any_of(pressing.begin(), pressing.end(), same);
}

} // namespace

uint32_t urgency_score(const turn_signals& x) {
  uint32_t points = 50;
  points += x.urgent ? 30 : 0;
  points += x.question ? 10 : 0;
  points += x.active ? 15 : 0;
  points += x.crowded ? 5 : 0;
  return std::min(points, 100U);
}

priority turn_level(const turn_signals& x) {
  auto points = urgency_score(x);
  if (x.urgent && points >= high_from)
    return priority::high;
  if (x.channel && points <= low_up_to)
    return priority::low;
  return priority::normal;
}

turn_signals read_signals(std::string_view text) {
  turn_signals result;
  text = text.substr(0, most_read);
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_letter(text[i]))
      continue;
    if (i > start && is_pressing(text.substr(start, i - start)))
      result.urgent = true;
    if (i < text.size() && text[i] == '?')
      result.question = true;
    start = i + 1;
  }
  return result;
}

void recent_conversations::heard(std::pair<uint64_t, uint64_t> conversation, uint64_t speaker,
                                 int64_t now, turn_signals& x) {
  auto& at = places_[(conversation.first ^ conversation.second) % places_.size()];
  if (at.conversation != conversation || now - at.last > present_for)
    at = {conversation, 0, {}, 0};
  x.active = at.last != 0 && now - at.last <= active_for;
  at.last = now;
  auto who = static_cast<uint16_t>(speaker);
  auto end = at.speakers.begin() + at.count;
  if (at.count < crowd && std::find(at.speakers.begin(), end, who) == end)
    at.speakers[at.count++] = who;
  x.crowded = at.count == crowd;
}

} // namespace sotto
