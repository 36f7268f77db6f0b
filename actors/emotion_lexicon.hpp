#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <caf/expected.hpp>

namespace sotto {

/// The categories of emotion, in the order of the original engine.
enum class feeling : uint8_t {
  none,
  joy,
  sadness,
  anger,
  fear,
  surprise,
  disgust,
  love,
  gratitude,
  pride,
  shame,
  excitement,
  calm,
};
inline constexpr size_t feelings = 13;
std::string_view to_string(feeling x);

/// Words that rules of VADER ask for by name.
enum class rule_word : uint8_t {
  none,
  at,
  ass,
  bad,
  beating,
  bomb,
  broken,
  bus,
  but,
  death,
  die,
  doubt,
  enough,
  for_,
  heart,
  just,
  kind,
  kiss,
  least,
  never,
  no,
  nor,
  of,
  or_,
  right,
  shit,
  so,
  sort,
  stop,
  the,
  this_,
  to,
  very,
  without,
  yeah,
};
inline constexpr size_t rule_word_count = static_cast<size_t>(rule_word::yeah) + 1;

/// What is known of one word.
struct lexicon_entry {
  /// `ruled`: a rule asks for the word by name; `feels`: it shows a feeling.
  enum flag : uint8_t { rated = 1, booster = 2, negator = 4, ruled = 8, feels = 16 };

  double valence = 0;
  /// VADER's increment of a booster, negative for a dampener.
  double increment = 0;
  uint8_t flags = 0;
  rule_word word = rule_word::none;
  feeling felt = feeling::none;
  feeling felt_too = feeling::none;
  /// How strongly the word shows the feeling, 0 to 1.
  float strength = 0;
};

/// VADER's lexicon with its boosters and negations, our words of feeling, and names for emoji.
/// Immutable; any thread may ask.
class emotion_lexicon {
public:
  /// Reads `emotion.bin`. Fails with `ec::not_found` or, for a file that is none of ours,
  /// `ec::invalid`.
  static caf::expected<std::shared_ptr<const emotion_lexicon>> load(const std::string& path);

  /// A word in lower case and what may be read, whatever it is, up to 16 bytes from its beginning:
  /// so that a short word is hashed without asking how short it is.
  struct padded_word {
    const char* data;
    size_t size;
  };

  static uint64_t hash_of(padded_word word);

  /// The entry of a word by its hash; an empty one if it is unknown.
  const lexicon_entry& find(uint64_t hash) const {
    auto place = hash & (slots_.size() - 1);
    // Whether a word is known is anybody's guess, so no branch asks; few places were passed.
    auto found = known(slots_[place], hash);
    if ((slots_[place] & passed) != 0 && found == 0) [[unlikely]]
      found = find_behind(place, hash);
    return entries_[found];
  }

  /// The words for an emoji; empty for any other code point.
  std::string_view emoji(char32_t c) const;

  size_t size() const { return entries_.size(); }

private:
  /// The hash of a known word but its lowest 16 bits, which are here the number of the word's entry
  /// and a bit that is set if a word that belongs here found the place taken and stands behind it.
  /// With the place these are 63 bits: of these few thousand words no two share them, and a foreign
  /// word has those of the one where it belongs with a probability of 1e-15.
  using slot = uint64_t;
  static constexpr slot passed = 0x8000, number = 0x7fff;

  static size_t known(slot x, uint64_t hash) {
    return (x & number) * static_cast<size_t>((x ^ hash) <= (passed | number));
  }

  lexicon_entry& entry(std::string_view word);
  size_t find_behind(size_t place, uint64_t hash) const;
  void add_rules();
  void add_feelings();
  void index();

  /// The first is that of unknown words.
  std::vector<lexicon_entry> entries_{1};
  std::unordered_map<std::string, uint32_t> names_; // while loading
  std::vector<slot> slots_;
  std::unordered_map<char32_t, std::string> emoji_;
};

/// Our words of feeling: stems matched whole, e.g. `happy`; see emotion_words.cpp.
struct feeling_word {
  const char* word;
  feeling felt;
  float strength;
};
const std::vector<feeling_word>& feeling_words();

} // namespace sotto
