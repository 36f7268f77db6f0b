#include "actors/emotion_engine.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sotto {

namespace {

struct quality {
  float arousal, dominance;
  bool good;
};

/// By feeling; arousal and dominance are the original engine's.
constexpr std::array<quality, feelings> qualities{{{0.5F, 0.5F, false},
                                                   {0.8F, 0.7F, true},
                                                   {0.3F, 0.3F, false},
                                                   {0.9F, 0.8F, false},
                                                   {0.8F, 0.2F, false},
                                                   {0.9F, 0.5F, false},
                                                   {0.5F, 0.5F, false},
                                                   {0.5F, 0.5F, true},
                                                   {0.5F, 0.5F, true},
                                                   {0.5F, 0.8F, true},
                                                   {0.5F, 0.2F, false},
                                                   {0.9F, 0.7F, true},
                                                   {0.2F, 0.5F, true}}};

constexpr float negated_hint = 0.35F;
constexpr float broken_heart_strength = 0.8F;
constexpr float boosted = 1.25F;
constexpr float dampened = 0.6F;
constexpr float in_capitals = 1.2F;
constexpr double compound_threshold = 0.2;
/// Words before a word of feeling that may change it.
constexpr size_t reach = 3;

using strengths = std::array<float, feelings>;

/// Adds evidence so that many weak signs approach 1 and never pass it.
void add(strengths& to, feeling x, float strength) {
  auto& s = to[static_cast<size_t>(x)];
  s = 1 - (1 - s) * (1 - std::clamp(strength, 0.0F, 0.95F));
}

bool negated(const vader_text& text, size_t i) {
  for (size_t back = 1; back <= reach && back <= i; ++back) {
    auto& x = text.tokens[i - back];
    if (x.negates() || x.is(rule_word::no))
      return true;
  }
  return false;
}

float modifier(const vader_text& text, size_t i) {
  auto result = text.tokens[i].upper && text.mixed_case ? in_capitals : 1.0F;
  for (size_t back = 1; back <= 2 && back <= i; ++back) {
    auto& x = text.tokens[i - back];
    if (x.has(lexicon_entry::booster))
      result *= x.entry->increment > 0 ? boosted : dampened;
  }
  return result;
}

/// A heart that is broken shows no love.
bool broken_heart(const vader_text& text, size_t i) {
  if (!text.tokens[i].is(rule_word::heart))
    return false;
  auto from = text.tokens.begin() + static_cast<ptrdiff_t>(i < reach ? 0 : i - reach);
  auto to = text.tokens.begin() + static_cast<ptrdiff_t>(std::min(i + reach, text.tokens.size()));
  return std::any_of(from, to, [](auto& x) { return x.is(rule_word::broken); });
}

size_t gather(const vader_text& text, strengths& to) {
  size_t signs = 0;
  for (auto i : text.telling) {
    if (!text.tokens[i].has(lexicon_entry::feels))
      continue;
    auto* entry = text.tokens[i].entry;
    ++signs;
    if (negated(text, i)) {
      if (qualities[static_cast<size_t>(entry->felt)].good)
        add(to, feeling::sadness, negated_hint);
      continue;
    }
    auto strength = entry->strength * modifier(text, i);
    if (broken_heart(text, i)) {
      add(to, feeling::sadness, broken_heart_strength);
      continue;
    }
    add(to, entry->felt, strength);
    if (entry->felt_too != feeling::none)
      add(to, entry->felt_too, strength * 0.8F);
  }
  return signs;
}

/// Strongest first, equal ones as they were; `std::stable_sort` would allocate.
void sort_few(std::vector<felt>& items) {
  for (auto at = items.begin(); at != items.end(); ++at)
    std::rotate(std::upper_bound(items.begin(), at, *at,
                                 [](auto& a, auto& b) { return a.intensity > b.intensity; }),
                at, at + 1);
}

} // namespace

void find_feelings(const vader_text& text, double compound, emotion_reading& to) {
  strengths found{};
  auto signs = gather(text, found);
  auto emphasis = static_cast<float>(std::min(text.exclamations, 3)) * 0.05F;
  to.mixed.clear();
  to.mixed.reserve(static_cast<size_t>(
      std::count_if(found.begin(), found.end(), [](float x) { return x > 0; })));
  auto arousal = 0.0F, dominance = 0.0F, total = 0.0F;
  for (size_t i = 1; i < feelings; ++i) {
    if (found[i] <= 0)
      continue;
    auto intensity = std::min(found[i] + emphasis, 1.0F);
    to.mixed.push_back({std::string{to_string(static_cast<feeling>(i))}, intensity});
    arousal += qualities[i].arousal * intensity;
    dominance += qualities[i].dominance * intensity;
    total += intensity;
  }
  to.valence = static_cast<float>(compound);
  // Who only denies feelings shows none: 'not angry' is not joy.
  auto from_compound = signs == 0 && std::abs(compound) > compound_threshold;
  if (from_compound) {
    auto kind = compound > 0 ? feeling::joy : feeling::sadness;
    auto intensity = static_cast<float>(std::abs(compound));
    to.mixed.push_back({std::string{to_string(kind)}, intensity});
    arousal = qualities[static_cast<size_t>(kind)].arousal * intensity;
    dominance = qualities[static_cast<size_t>(kind)].dominance * intensity;
    total = intensity;
  }
  if (to.mixed.empty())
    return;
  sort_few(to.mixed);
  to.primary = to.mixed.front().category;
  to.intensity = to.mixed.front().intensity;
  to.confidence = from_compound ? 0.8F * to.intensity
                                : std::min(0.4F + 0.15F * static_cast<float>(signs), 0.95F);
  to.arousal = arousal / total;
  to.dominance = dominance / total;
}

caf::expected<std::shared_ptr<const emotion_engine>> emotion_engine::load(const std::string& path) {
  auto lexicon = emotion_lexicon::load(path);
  if (!lexicon)
    return lexicon.error();
  return std::shared_ptr<const emotion_engine>{
      std::make_shared<emotion_engine>(std::move(*lexicon))};
}

emotion_reading emotion_engine::read(std::string_view text) const {
  thread_local vader_text words;
  split(text, *lexicon_, words);
  auto scores = score(words);
  emotion_reading result;
  result.neg = scores.neg;
  result.neu = scores.neu;
  result.pos = scores.pos;
  result.compound = scores.compound;
  find_feelings(words, scores.compound, result);
  return result;
}

vader_scores emotion_engine::read_scores(std::string_view text) const {
  thread_local vader_text words;
  split(text, *lexicon_, words);
  return score(words);
}

} // namespace sotto
