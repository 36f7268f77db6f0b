#include "actors/text_terms.hpp"

#include <array>
#include <memory>
#include <string>
#include <unordered_set>

#include <libstemmer.h>
#include <xxhash.h>

namespace sotto {

namespace {

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

constexpr uint64_t no_term = 0;

/// The term of a word, `no_term` for a stop word. Few words make up most of what people say, and
/// stemming costs ten times a look at what this thread stemmed before; a word that is not there
/// takes the place of another.
uint64_t term_of(std::string_view word) {
  struct known {
    uint64_t word = 0, term = no_term;
  };
  thread_local std::array<known, 4096> memo;
  auto hash = XXH3_64bits(word.data(), word.size());
  auto& x = memo[hash % memo.size()];
  if (x.word != hash)
    x = {hash, stop_words().contains(word) ? no_term : stem_hash(word)};
  return x.term;
}

} // namespace

// The same words without copying them, and without a branch a byte: a word begins where the byte
// before is none of a word's. A lone s behind an apostrophe is the possessive.
size_t count_words(std::string_view text) {
  static const auto in_word = [] {
    std::array<uint8_t, 256> result{};
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = words::has(static_cast<char>(i)) ? 1 : 0;
    return result;
  }();
  auto at = [&](size_t i) { return in_word[static_cast<unsigned char>(text[i])]; };
  size_t count = 0;
  uint8_t before = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto now = at(i);
    count += now & ~before & 1U;
    before = now;
  }
  for (auto i = text.find('\''); i != std::string_view::npos; i = text.find('\'', i + 1))
    if (i + 1 < text.size() && words::lower(text[i + 1]) == 's'
        && (i + 2 == text.size() || at(i + 2) == 0))
      --count;
  return count;
}

std::vector<uint64_t> terms_of(std::string_view text) {
  std::vector<uint64_t> result;
  each_word(text, [&](std::string_view word) {
    if (auto term = term_of(word); term != no_term)
      result.push_back(term);
  });
  return result;
}

} // namespace sotto
