#include <algorithm>
#include <array>
#include <cstring>
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

constexpr bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`')
         || (c >= '{' && c <= '~');
}

/// What a byte is, as bits; 0: nothing special.
enum byte_kind : uint8_t {
  upper = 1,
  lower = 2,
  mark = 4,
  quote = 8,
  punctuation = 16,
  space = 64,
  wide = 128
};

constexpr uint8_t classify_byte(int c) {
  if (c >= 0x80)
    return wide;
  if ((c >= 9 && c <= 13) || (c >= 28 && c <= 32))
    return space;
  if (c >= 'A' && c <= 'Z')
    return upper;
  if (c >= 'a' && c <= 'z')
    return lower;
  auto kind = is_punctuation(static_cast<char>(c)) ? punctuation : 0;
  kind |= c == '!' || c == '?' ? mark : 0;
  kind |= c == '\'' ? quote : 0;
  return static_cast<uint8_t>(kind);
}

constexpr auto byte_kinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (size_t c = 0; c < kinds.size(); ++c)
    kinds[c] = classify_byte(static_cast<int>(c));
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

  /// Takes ASCII characters up to a space or a character beyond ASCII; returns how many.
  size_t add_ascii(std::string_view text) {
    auto most = std::min(text.size(), longest - size_);
    auto* to = word_.data() + size_;
    uint8_t seen = 0, kind = 0;
    size_t i = 0;
    for (; i < most && (kind = kind_of(text[i])) < space; ++i) {
      seen |= kind;
      to[i] = static_cast<char>(text[i] | (kind & upper) << 5); // 0x20 makes a capital small
    }
    if (i == most && i < text.size())
      i += add_rest(text.substr(i), seen);
    else
      size_ += i;
    characters_ += i;
    seen_ |= seen;
    if ((seen & mark) != 0)
      count_marks(text.substr(0, i));
    return i;
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
  static constexpr size_t longest = 256;
  /// What the lexicon may read behind a word.
  static constexpr size_t padding = 16;

  void put(char c) {
    if (size_ < longest)
      word_[size_++] = c;
    else
      long_ = true;
  }

  /// The same as `add_ascii`, for a word that has no room.
  size_t add_rest(std::string_view text, uint8_t& seen) {
    size_t i = 0;
    size_ = longest;
    for (uint8_t kind = 0; i < text.size() && (kind = kind_of(text[i])) < space; ++i)
      seen |= kind;
    long_ = long_ || i > 0;
    return i;
  }

  void count_marks(std::string_view text) {
    for (auto c : text) {
      to_.exclamations += c == '!' ? 1 : 0;
      to_.questions += c == '?' ? 1 : 0;
    }
  }

  void emit() {
    std::memset(word_.data() + size_, 0, padding);
    std::string_view word{word_.data(), size_};
    if (((kind_of(word.front()) | kind_of(word.back())) & punctuation) != 0)
      word = stripped(word);
    auto& entry =
        !long_ || word.size() < longest_known ? lexicon_.find({word.data(), word.size()}) : unknown;
    vader_token x{&entry, entry.flags, entry.word, (seen_ & (upper | lower)) == upper};
    if ((seen_ & quote) != 0 && word.find("n't") != std::string_view::npos)
      x.flags |= lexicon_entry::negator;
    capitals_ += x.upper ? 1 : 0;
    auto place = to_.tokens.size();
    if ((x.flags & (lexicon_entry::rated | lexicon_entry::feels)) != 0)
      to_.telling.push_back(static_cast<uint32_t>(place));
    if (x.word == rule_word::but)
      to_.but = std::min(to_.but, place);
    to_.tokens.push_back(x);
  }

  /// Without the punctuation around it, if more than two characters are left.
  std::string_view stripped(std::string_view word) const {
    auto from = size_t{0}, to = word.size();
    while (from < to && is_punctuation(word[from]))
      ++from;
    // The end of a word that was cut is not its end.
    while (!long_ && to > from && is_punctuation(word[to - 1]))
      --to;
    // Punctuation is ASCII: as many characters go as bytes.
    return characters_ - (word.size() - (to - from)) > 2 ? word.substr(from, to - from) : word;
  }

  static constexpr lexicon_entry unknown{};

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  std::array<char, longest + padding> word_;
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
      if (kind < space) {
        i += word_.add_ascii(text.substr(i));
      } else if (kind == space) {
        word_.end();
        ++i;
      } else {
        i += other(text.substr(i), i == 0 || text[i - 1] == ' ');
      }
    }
    word_.end();
    to_.but = std::min(to_.but, to_.tokens.size());
    to_.mixed_case = word_.capitals() > 0 && word_.capitals() < to_.tokens.size();
  }

private:
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
      add_name(name);
    } else if (is_space(c)) {
      word_.end();
    } else {
      word_.add(c, rest.substr(0, size));
    }
    return size;
  }

  void add_name(std::string_view name) {
    while (!name.empty()) {
      size_t taken = 1;
      if (auto kind = kind_of(name.front()); kind < space)
        taken = word_.add_ascii(name);
      else if (kind == space)
        word_.end();
      else
        word_.add(0xfffd, name.substr(0, 1));
      name.remove_prefix(taken);
    }
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  word_reader word_;
};

} // namespace

void split(std::string_view text, const emotion_lexicon& lexicon, vader_text& to) {
  to.tokens.clear();
  to.telling.clear();
  to.but = SIZE_MAX;
  to.exclamations = to.questions = 0;
  splitter{lexicon, to}.run(text);
}

} // namespace sotto
