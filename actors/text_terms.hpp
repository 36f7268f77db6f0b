#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sotto {

namespace words {

/// Longer words are cut: nothing is found by what lies beyond.
inline constexpr size_t longest = 64;

inline bool has(char x) {
  auto c = static_cast<unsigned char>(x);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace words

/// Splits a text into words: runs of letters, digits and bytes of other scripts (anything outside
/// ASCII), in ASCII lower case; a possessive 's is left out. Any bytes are allowed. `take` gets a
/// view that is valid during the call.
template <class F>
void each_word(std::string_view text, F take) {
  std::array<char, words::longest> word;
  size_t length = 0;
  auto flush = [&] {
    if (length > 0)
      take(std::string_view{word.data(), length});
    length = 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (words::has(c)) {
      if (length < words::longest)
        word[length++] = words::lower(c);
    } else {
      flush();
      auto possessive = c == '\'' && i + 1 < text.size() && words::lower(text[i + 1]) == 's'
                        && (i + 2 == text.size() || !words::has(text[i + 2]));
      i += possessive ? 1 : 0;
    }
  }
  flush();
}

/// How many words `each_word` finds.
size_t count_words(std::string_view text);

/// The terms of a text in order: its words without English stop words, stemmed (Snowball English,
/// Porter2), as 64-bit hashes.
std::vector<uint64_t> terms_of(std::string_view text);

/// The same, behind what `to` has.
void add_terms(std::string_view text, std::vector<uint64_t>& to);

} // namespace sotto
