#include "actors/text_terms.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <string>
#include <unordered_set>

#include <emmintrin.h>
#include <libstemmer.h>
#define XXH_INLINE_ALL // words are short: the call would cost more than the hash
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
  // A number has no stem, and there are too many of them to be remembered.
  if (std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return hash;
  auto& x = memo[hash % memo.size()];
  if (x.word != hash)
    x = {hash, stop_words().contains(word) ? no_term : stem_hash(word)};
  return x.term;
}

/// Which of the next `lanes` bytes are in words, a bit each, as `words::has` says of one.
constexpr size_t lanes = 16;

__m128i within(__m128i x, char first, char last) {
  auto from_first = _mm_sub_epi8(x, _mm_set1_epi8(first));
  auto most = _mm_set1_epi8(static_cast<char>(last - first));
  return _mm_cmpeq_epi8(_mm_min_epu8(from_first, most), from_first);
}

constexpr char lower_bit = 0x20;

uint32_t in_words(__m128i text) {
  auto letters = within(_mm_or_si128(text, _mm_set1_epi8(lower_bit)), 'a', 'z');
  auto digits = within(text, '0', '9');
  // The first bit of a byte of another script is set.
  return static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_or_si128(text, _mm_or_si128(letters, digits))));
}

__m128i bytes_at(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

/// How many of `lanes` bits are set; a processor that can count them is not taken for granted.
size_t count_bits(uint32_t x) {
  x -= x >> 1 & 0x5555;
  x = (x & 0x3333) + (x >> 2 & 0x3333);
  x = (x + (x >> 4)) & 0x0f0f;
  return (x + (x >> 8)) & 0x1f;
}

/// Texts up to here are split without a branch a byte.
constexpr size_t short_text = 1024;

/// As `each_word`: a word begins or ends where a byte is of a word and the one before is not, or
/// the other way round.
template <class F>
void each_short_word(std::string_view text, F take) {
  std::array<char, short_text + lanes> all;
  std::fill_n(std::copy(text.begin(), text.end(), all.begin()), lanes, '\0'); // ends the last word
  uint32_t before = 0;
  size_t from = 0;
  auto within_word = false;
  for (size_t at = 0; at <= text.size(); at += lanes) {
    auto bytes = bytes_at(all.data() + at);
    auto upper = within(bytes, 'A', 'Z');
    auto lower = _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(lower_bit)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all.data() + at), lower);
    auto now = in_words(bytes);
    auto edges = (now ^ (now << 1 | before)) & 0xffff;
    before = now >> (lanes - 1);
    for (; edges != 0; edges &= edges - 1) {
      auto place = at + static_cast<size_t>(std::countr_zero(edges));
      within_word = !within_word;
      if (within_word) {
        from = place;
        continue;
      }
      auto size = place - from;
      auto possessive = size == 1 && all[from] == 's' && from > 0 && all[from - 1] == '\'';
      if (!possessive)
        take(std::string_view{all.data() + from, std::min(size, words::longest)});
    }
  }
}

} // namespace

// The same words without copying them, and without a branch a byte: a word begins where the byte
// before is none of a word's. A lone s behind an apostrophe is the possessive.
size_t count_words(std::string_view text) {
  size_t count = 0, at = 0;
  uint32_t before = 0;
  auto take = [&](uint32_t now, size_t size) {
    count += count_bits(now & ~(now << 1 | before));
    before = now >> (size - 1);
    at += size;
  };
  while (at + lanes <= text.size())
    take(in_words(bytes_at(text.data() + at)), lanes);
  auto rest = text.size() - at;
  if (rest > 0 && at > 0) // with some of what was counted before it
    take(in_words(bytes_at(text.data() + text.size() - lanes)) >> (lanes - rest), rest);
  while (at < text.size())
    take(words::has(text[at]) ? 1U : 0U, 1);
  for (auto i = text.find('\''); i != std::string_view::npos; i = text.find('\'', i + 1))
    if (i + 1 < text.size() && words::lower(text[i + 1]) == 's'
        && (i + 2 == text.size() || !words::has(text[i + 2])))
      --count;
  return count;
}

void add_terms(std::string_view text, std::vector<uint64_t>& to) {
  constexpr size_t usual_word = 5; // bytes, with what stands between words
  auto take = [&](std::string_view word) {
    if (auto term = term_of(word); term != no_term)
      to.push_back(term);
  };
  if (text.size() > short_text) {
    each_word(text, take);
  } else {
    to.reserve(to.size() + text.size() / usual_word + 1);
    each_short_word(text, take);
  }
}

std::vector<uint64_t> terms_of(std::string_view text) {
  std::vector<uint64_t> result;
  add_terms(text, result);
  return result;
}

} // namespace sotto
