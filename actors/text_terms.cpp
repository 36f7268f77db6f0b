#include "actors/text_terms.hpp"

#include <array>
#include <memory>
#include <string>
#include <unordered_set>

#include <libstemmer.h>
#include <xxhash.h>

namespace sotto {

namespace {

/// Longer words are cut: nothing is found by what lies beyond.
constexpr size_t longest_word = 64;

bool in_word(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

const std::unordered_set<std::string_view>& stop_words() {
  static const std::unordered_set<std::string_view> words{
      "a",     "about", "after", "all",   "also",  "am",   "an",    "and",   "any",  "are",
      "as",    "at",    "be",    "been",  "but",   "by",   "can",   "could", "did",  "do",
      "does",  "for",   "from",  "had",   "has",   "have", "he",    "her",   "hers", "him",
      "his",   "how",   "i",     "if",    "in",    "into", "is",    "it",    "its",  "just",
      "ll",    "m",     "me",    "my",    "no",    "not",  "of",    "on",    "or",   "our",
      "re",    "s",     "she",   "so",    "some",  "t",    "than",  "that",  "the",  "their",
      "them",  "then",  "there", "these", "they",  "this", "to",    "too",   "us",   "ve",
      "very",  "was",   "we",    "were",  "what",  "when", "where", "which", "who",  "whom",
      "whose", "why",   "will",  "with",  "would", "you",  "your",  "yours"};
  return words;
}

/// Snowball's stemmers keep state: one a thread.
sb_stemmer* stemmer() {
  struct free_stemmer {
    void operator()(sb_stemmer* x) const { sb_stemmer_delete(x); }
  };
  thread_local std::unique_ptr<sb_stemmer, free_stemmer> one{sb_stemmer_new("english", "UTF_8")};
  return one.get();
}

uint64_t stem_hash(std::string_view word) {
  auto* tool = stemmer();
  const auto* stem = sb_stemmer_stem(tool, reinterpret_cast<const sb_symbol*>(word.data()),
                                     static_cast<int>(word.size()));
  if (!stem) // out of memory only
    return XXH3_64bits(word.data(), word.size());
  return XXH3_64bits(stem, static_cast<size_t>(sb_stemmer_length(tool)));
}

template <class F>
void scan(std::string_view text, F take) {
  std::array<char, longest_word> word;
  size_t length = 0;
  auto flush = [&] {
    if (length > 0)
      take(std::string_view{word.data(), length});
    length = 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (in_word(static_cast<unsigned char>(c))) {
      if (length < longest_word)
        word[length++] = lower(c);
    } else {
      flush();
      auto possessive =
          c == '\'' && i + 1 < text.size() && lower(text[i + 1]) == 's'
          && (i + 2 == text.size() || !in_word(static_cast<unsigned char>(text[i + 2])));
      i += possessive ? 1 : 0;
    }
  }
  flush();
}

} // namespace

void each_word(std::string_view text, const std::function<void(std::string_view)>& take) {
  scan(text, take);
}

std::vector<uint64_t> terms_of(std::string_view text) {
  std::vector<uint64_t> result;
  auto& stops = stop_words();
  scan(text, [&](std::string_view word) {
    if (!stops.contains(word))
      result.push_back(stem_hash(word));
  });
  return result;
}

} // namespace sotto
