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

/// What is known of one word.
struct lexicon_entry {
  enum flag : uint8_t { rated = 1, booster = 2, negator = 4 };

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

  /// The entry of a word in lower case; nothing if it is unknown.
  const lexicon_entry* find(std::string_view word) const;

  /// The words for an emoji; empty for any other code point.
  std::string_view emoji(char32_t c) const;

  size_t size() const { return entries_.size(); }

private:
  struct slot {
    uint64_t hash = 0;
    uint32_t entry = 0; // 1-based; 0: free
  };

  lexicon_entry& entry(std::string_view word);
  void add_rules();
  void add_feelings();
  void index();

  std::vector<lexicon_entry> entries_;
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
