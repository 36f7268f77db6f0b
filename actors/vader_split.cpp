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

/// Collects one word's bytes in lower case and what is known of its characters.
class word_reader {
public:
  explicit word_reader(const emotion_lexicon& lexicon, vader_text& to)
      : lexicon_(lexicon), to_(to) {}

  void add_ascii(char c) {
    auto up = c >= 'A' && c <= 'Z', low = c >= 'a' && c <= 'z';
    has_upper_ |= up;
    has_lower_ |= low;
    put(up ? static_cast<char>(c - 'A' + 'a') : c);
    ++characters_;
  }

  void add(char32_t c, std::string_view bytes) {
    auto point = static_cast<UChar32>(c);
    has_upper_ |= u_isUUppercase(point) != 0;
    has_lower_ |= u_isULowercase(point) || u_istitle(point);
    auto lower = point == capital_dotted_i ? point : u_tolower(point);
    if (lower == point) {
      for (auto b : bytes)
        put(b);
    } else {
      std::array<char, 4> encoded;
      auto* end = utf8::append(static_cast<char32_t>(lower), encoded.data());
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
    has_upper_ = has_lower_ = long_ = false;
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
    x.upper = has_upper_ && !has_lower_;
    x.negated = word.find("n't") != std::string_view::npos;
    capitals_ += x.upper ? 1 : 0;
    to_.tokens.push_back(x);
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  std::array<char, 256> word_;
  size_t size_ = 0;
  size_t characters_ = 0;
  size_t capitals_ = 0;
  bool has_upper_ = false, has_lower_ = false, long_ = false;
};

class splitter {
public:
  splitter(const emotion_lexicon& lexicon, vader_text& to)
      : lexicon_(lexicon), to_(to), word_(lexicon, to) {}

  void run(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      auto c = text[i];
      if (static_cast<unsigned char>(c) < 0x80) {
        ascii(c);
        ++i;
      } else {
        i += wide(text.substr(i));
      }
    }
    word_.end();
    to_.mixed_case = word_.capitals() > 0 && word_.capitals() < to_.tokens.size();
  }

private:
  void ascii(char c) {
    after_space_ = c == ' ';
    if (is_space(static_cast<char32_t>(c)))
      return word_.end();
    to_.exclamations += c == '!';
    to_.questions += c == '?';
    word_.add_ascii(c);
  }

  /// Returns how many bytes were taken.
  size_t wide(std::string_view rest) {
    auto at = rest.begin();
    char32_t c = 0xfffd;
    try {
      c = utf8::next(at, rest.end());
    } catch (const utf8::exception&) {
      at = rest.begin() + 1;
    }
    auto size = static_cast<size_t>(at - rest.begin());
    auto name = lexicon_.emoji(c);
    if (!name.empty()) {
      if (!after_space_)
        word_.end(); // a space is put before the name, but none behind it
      after_space_ = false;
      for (auto x : name)
        emoji_character(x);
    } else {
      after_space_ = false;
      if (is_space(c))
        word_.end();
      else
        word_.add(c, rest.substr(0, size));
    }
    return size;
  }

  void emoji_character(char x) {
    if (x == ' ')
      return word_.end();
    to_.exclamations += x == '!';
    to_.questions += x == '?';
    if (static_cast<unsigned char>(x) < 0x80)
      word_.add_ascii(x);
    else
      word_.add(0xfffd, {&x, 1});
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  word_reader word_;
  bool after_space_ = true;
};

} // namespace

void split(std::string_view text, const emotion_lexicon& lexicon, vader_text& to) {
  to.tokens.clear();
  to.exclamations = to.questions = 0;
  splitter{lexicon, to}.run(text);
}

} // namespace sotto
