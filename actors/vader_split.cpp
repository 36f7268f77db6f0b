#include <array>
#include <string>

#include <unicode/uchar.h>
#include <utf8.h>

#include "actors/vader.hpp"

namespace sotto {

namespace {

constexpr size_t longest_known = 64;
// The reference's lower case of this one is two characters, and in no word that is known.
constexpr UChar32 capital_dotted_i = 0x130;

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680
         || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f
         || c == 0x3000;
}

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`')
         || (c >= '{' && c <= '~');
}

/// What a byte is, as bits; 0: nothing special.
enum byte_kind : uint8_t { space = 1, upper = 2, lower = 4, mark = 8, quote = 16, wide = 128 };

constexpr auto byte_kinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (int c = 0; c < 256; ++c)
    kinds[static_cast<size_t>(c)] = c >= 0x80                                     ? wide
                                    : (c >= 9 && c <= 13) || (c >= 28 && c <= 32) ? space
                                    : c >= 'A' && c <= 'Z'                        ? upper
                                    : c >= 'a' && c <= 'z'                        ? lower
                                    : c == '!' || c == '?'                        ? mark
                                    : c == '\''                                   ? quote
                                                                                  : 0;
  return kinds;
}();

uint8_t kind_of(char c) {
  return byte_kinds[static_cast<unsigned char>(c)];
}

/// Collects one word's bytes in lower case and what is known of its characters.
class word_reader {
public:
  explicit word_reader(const emotion_lexicon& lexicon, vader_text& to)
      : lexicon_(lexicon), to_(to) {}

  /// An ASCII character that is no space.
  void add_ascii(char c, uint8_t kind) {
    seen_ |= kind;
    put(static_cast<char>(c | (kind & upper) << 4)); // 0x20 makes a capital small
    ++characters_;
  }

  void add(char32_t c, std::string_view bytes) {
    auto point = static_cast<UChar32>(c);
    seen_ |= u_isUUppercase(point) ? upper : 0;
    seen_ |= u_isULowercase(point) || u_istitle(point) ? lower : 0;
    auto small = point == capital_dotted_i ? point : u_tolower(point);
    if (small == point) {
      for (auto b : bytes)
        put(b);
    } else {
      std::array<char, 4> encoded;
      auto* end = utf8::append(static_cast<char32_t>(small), encoded.data());
      for (auto* b = encoded.data(); b != end; ++b)
        put(*b);
    }
    ++characters_;
  }

  /// Ends the word, if there is one.
  void end() {
    if (characters_ > 0)
      emit();
    size_ = characters_ = 0;
    seen_ = 0;
    long_ = false;
  }

  size_t capitals() const { return capitals_; }

private:
  void put(char c) {
    if (size_ < word_.size())
      word_[size_++] = c;
    else
      long_ = true;
  }

  void emit() {
    std::string_view word{word_.data(), size_};
    auto from = size_t{0}, to = word.size();
    while (from < to && is_punctuation(word[from]))
      ++from;
    // The end of a word that was cut is not its end.
    while (!long_ && to > from && is_punctuation(word[to - 1]))
      --to;
    // Punctuation is ASCII: as many characters go as bytes.
    if (characters_ - (word.size() - (to - from)) > 2)
      word = word.substr(from, to - from);
    vader_token x;
    if (!long_ || word.size() < longest_known)
      x.entry = lexicon_.find(word);
    x.upper = (seen_ & (upper | lower)) == upper;
    x.negated = (seen_ & quote) != 0 && word.find("n't") != std::string_view::npos;
    capitals_ += x.upper ? 1 : 0;
    to_.tokens.push_back(x);
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  std::array<char, 256> word_;
  size_t size_ = 0;
  size_t characters_ = 0;
  size_t capitals_ = 0;
  uint8_t seen_ = 0; // the kinds of its bytes
  bool long_ = false;
};

class splitter {
public:
  splitter(const emotion_lexicon& lexicon, vader_text& to)
      : lexicon_(lexicon), to_(to), word_(lexicon, to) {}

  void run(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      auto kind = kind_of(text[i]);
      if (kind != wide)
        ascii(text[i++], kind);
      else
        i += other(text.substr(i), i == 0 || text[i - 1] == ' ');
    }
    word_.end();
    to_.mixed_case = word_.capitals() > 0 && word_.capitals() < to_.tokens.size();
  }

private:
  void ascii(char c, uint8_t kind) {
    if (kind == space)
      return word_.end();
    if (kind == mark)
      ++(c == '!' ? to_.exclamations : to_.questions);
    word_.add_ascii(c, kind);
  }

  /// Takes a character beyond ASCII; returns of how many bytes.
  size_t other(std::string_view rest, bool after_space) {
    auto at = rest.begin();
    char32_t c = 0xfffd;
    try {
      c = utf8::next(at, rest.end());
    } catch (const utf8::exception&) {
      at = rest.begin() + 1;
    }
    auto size = static_cast<size_t>(at - rest.begin());
    if (auto name = lexicon_.emoji(c); !name.empty()) {
      if (!after_space)
        word_.end(); // a space is put before the name, but none behind it
      for (auto x : name)
        emoji_character(x);
    } else if (is_space(c)) {
      word_.end();
    } else {
      word_.add(c, rest.substr(0, size));
    }
    return size;
  }

  void emoji_character(char x) {
    if (auto kind = kind_of(x); kind != wide)
      ascii(x, kind);
    else
      word_.add(0xfffd, {&x, 1});
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  word_reader word_;
};

} // namespace

void split(std::string_view text, const emotion_lexicon& lexicon, vader_text& to) {
  to.tokens.clear();
  to.exclamations = to.questions = 0;
  splitter{lexicon, to}.run(text);
}

} // namespace sotto
