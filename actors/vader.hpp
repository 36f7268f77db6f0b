#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/emotion_lexicon.hpp"

namespace sotto {

/// One word of a text as VADER sees it.
struct vader_token {
  /// Never null: a word that is not known has an empty entry.
  const lexicon_entry* entry;
  /// The entry's flags; one that holds "n't" is a negator too.
  uint8_t flags;
  rule_word word;
  bool upper;

  bool has(lexicon_entry::flag x) const { return (flags & x) != 0; }
  bool is(rule_word x) const { return word == x; }
  bool negates() const { return has(lexicon_entry::negator); }
};

/// A word as it stands in a text, not yet looked up.
struct vader_word {
  uint64_t hash;
  bool upper;
  /// It holds "n't".
  bool negates;
};

/// A text split for VADER, and what its rules need besides.
struct vader_text {
  std::vector<vader_token> tokens;
  /// The places of the words that have a valence or a feeling.
  std::vector<uint32_t> telling;
  /// Of the first "but"; as many as there are tokens if there is none.
  size_t but = 0;
  /// Some words are in capitals and some are not.
  bool mixed_case = false;
  int exclamations = 0;
  int questions = 0;
  /// As many as there are tokens.
  std::vector<vader_word> words;
  /// The text with small letters for ASCII's capitals, and bytes of no meaning behind it.
  std::string lowered;
  /// Room for a word that is not as it stands in the text.
  std::string word;
};

/// Splits as the reference does: emoji become their names, words end at Unicode white space,
/// ASCII punctuation around words of more than two characters goes. A byte that is no UTF-8 counts
/// as a letter without meaning. `to` is emptied first; its memory is used again.
void split(std::string_view text, const emotion_lexicon& lexicon, vader_text& to);

struct vader_scores {
  /// Rounded as the reference does: three decimals, compound four.
  double neg = 0, neu = 0, pos = 0, compound = 0;
};

/// VADER's rule-based sentiment (Hutto and Gilbert, ICWSM 2014), equal to the Python reference
/// (vaderSentiment 3.3.2).
vader_scores score(const vader_text& text);

} // namespace sotto
