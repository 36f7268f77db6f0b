#pragma once

#include <memory>
#include <string_view>

#include "actors/vader.hpp"
#include "messages/emotion.hpp"

namespace sotto {

/// Reads emotion from texts: VADER's scores, and categories, several at once. Any bytes are read;
/// an empty text is neutral. Any thread may use it.
class emotion_engine {
public:
  explicit emotion_engine(std::shared_ptr<const emotion_lexicon> lexicon)
      : lexicon_(std::move(lexicon)) {}

  /// Loads `emotion.bin`; fails as `emotion_lexicon::load`.
  static caf::expected<std::shared_ptr<const emotion_engine>> load(const std::string& path);

  emotion_reading read(std::string_view text) const;

  /// VADER alone.
  vader_scores read_scores(std::string_view text) const;

private:
  std::shared_ptr<const emotion_lexicon> lexicon_;
};

/// Finds the categories in a text that was split: every word of feeling counts, stronger behind a
/// booster or in capitals, weaker behind a dampener; one behind a negation does not count, and
/// where it was a good feeling hints at sadness; one that denies a bad feeling leaves the text
/// neutral. Without any such word the compound decides between joy, sadness and neutral. Fills all
/// of `to` but VADER's four figures.
void find_feelings(const vader_text& text, double compound, emotion_reading& to);

} // namespace sotto
