#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>

#include <unicode/uchar.h>
#include <utf8.h>

#include "actors/vader.hpp"

namespace sotto {

namespace {

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

/// A word in lower case, and what is known of its characters.
struct word_seen {
  std::string_view text;
  size_t characters = 0;
  uint8_t kinds = 0; // of its bytes
};

/// What the lexicon may read behind a word.
constexpr size_t padding = 16;

/// Makes tokens of words.
class token_maker {
public:
  token_maker(const emotion_lexicon& lexicon, vader_text& to) : lexicon_(lexicon), to_(to) {}

  void add(const word_seen& x) {
    auto word = x.text;
    if (((kind_of(word.front()) | kind_of(word.back())) & punctuation) != 0)
      word = stripped(x);
    auto& entry = lexicon_.find({word.data(), word.size()});
    vader_token token{&entry, entry.flags, entry.word, (x.kinds & (upper | lower)) == upper};
    if ((x.kinds & quote) != 0 && word.find("n't") != std::string_view::npos)
      token.flags |= lexicon_entry::negator;
    capitals_ += token.upper ? 1 : 0;
    auto place = to_.tokens.size();
    if ((token.flags & (lexicon_entry::rated | lexicon_entry::feels)) != 0)
      to_.telling.push_back(static_cast<uint32_t>(place));
    if (token.word == rule_word::but)
      to_.but = std::min(to_.but, place);
    to_.tokens.push_back(token);
  }

  void count_marks(std::string_view text) {
    for (auto c : text) {
      to_.exclamations += c == '!' ? 1 : 0;
      to_.questions += c == '?' ? 1 : 0;
    }
  }

  size_t capitals() const { return capitals_; }

private:
  /// Without the punctuation around it, if more than two characters are left.
  static std::string_view stripped(const word_seen& x) {
    auto word = x.text;
    auto from = size_t{0}, to = word.size();
    while (from < to && is_punctuation(word[from]))
      ++from;
    while (to > from && is_punctuation(word[to - 1]))
      --to;
    // Punctuation is ASCII: as many characters go as bytes.
    return x.characters - (word.size() - (to - from)) > 2 ? word.substr(from, to - from) : word;
  }

  const emotion_lexicon& lexicon_;
  vader_text& to_;
  size_t capitals_ = 0;
};

/// Collects a word that is not as it stands in the text: beyond ASCII, or with an emoji's name.
class word_reader {
public:
  /// `room`: for its bytes.
  explicit word_reader(std::string& room) : word_(room) { word_.clear(); }

  void add_ascii(char c, uint8_t kind) {
    kinds_ |= kind;
    word_ += static_cast<char>(c | (kind & upper) << 5); // 0x20 makes a capital small
    ++characters_;
  }

  void add(char32_t c, std::string_view bytes) {
    auto point = static_cast<UChar32>(c);
    kinds_ |= u_isUUppercase(point) ? upper : 0;
    kinds_ |= u_isULowercase(point) || u_istitle(point) ? lower : 0;
    auto small = point == capital_dotted_i ? point : u_tolower(point);
    if (small == point)
      word_ += bytes;
    else
      utf8::append(static_cast<char32_t>(small), std::back_inserter(word_));
    ++characters_;
  }

  bool empty() const { return characters_ == 0; }

  /// Ends the word, if there is one.
  void end(token_maker& to) {
    if (empty())
      return;
    auto size = word_.size();
    word_.append(padding, '\0');
    to.add({{word_.data(), size}, characters_, kinds_});
    word_.clear();
    characters_ = 0;
    kinds_ = 0;
  }

private:
  std::string& word_;
  size_t characters_ = 0;
  uint8_t kinds_ = 0;
};

/// Makes small letters of ASCII's capitals among eight bytes.
uint64_t lower_eight(uint64_t x) {
  constexpr uint64_t ones = ~uint64_t{0} / 255, high = 0x80 * ones;
  auto low = x & ~high;
  auto from_a = low + (0x80 - 'A') * ones, beyond_z = low + (0x80 - 'Z' - 1) * ones;
  return x | (from_a & ~beyond_z & ~x & high) >> 2;
}

/// `text` with small letters for ASCII's capitals, and padding.
void lower_ascii(std::string_view text, std::string& to) {
  constexpr size_t step = sizeof(uint64_t);
  if (to.size() < text.size() + step + padding)
    to.resize(text.size() + step + padding);
  uint64_t x = 0;
  size_t i = 0;
  for (; i + step <= text.size(); i += step) {
    std::memcpy(&x, text.data() + i, step);
    x = lower_eight(x);
    std::memcpy(to.data() + i, &x, step);
  }
  x = 0;
  for (size_t left = text.size() - i; left > 0; --left)
    x = x << 8 | static_cast<unsigned char>(text[i + left - 1]);
  x = lower_eight(x);
  std::memcpy(to.data() + i, &x, step);
}

class splitter {
public:
  splitter(std::string_view text, const emotion_lexicon& lexicon, vader_text& to)
      : text_(text), lexicon_(lexicon), to_(to), made_(lexicon, to), word_(to.word) {
    lower_ascii(text, to.lowered);
  }

  void run() {
    for (size_t i = 0; i < text_.size();) {
      auto kind = kind_of(text_[i]);
      if (kind < space) {
        i = ascii(i);
      } else if (kind == space) {
        word_.end(made_);
        ++i;
      } else {
        i += other(text_.substr(i), i == 0 || text_[i - 1] == ' ');
      }
    }
    word_.end(made_);
    to_.but = std::min(to_.but, to_.tokens.size());
    to_.mixed_case = made_.capitals() > 0 && made_.capitals() < to_.tokens.size();
  }

private:
  /// Takes ASCII characters up to a space or a character beyond ASCII; returns where that is.
  size_t ascii(size_t from) {
    uint8_t kinds = 0, kind = space;
    auto to = from;
    for (; to < text_.size() && (kind = kind_of(text_[to])) < space; ++to)
      kinds |= kind;
    if ((kinds & mark) != 0)
      made_.count_marks(text_.substr(from, to - from));
    if (word_.empty() && (to == text_.size() || kind == space))
      made_.add({{to_.lowered.data() + from, to - from}, to - from, kinds});
    else
      for (auto i = from; i < to; ++i)
        word_.add_ascii(text_[i], kind_of(text_[i]));
    return to;
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
        word_.end(made_); // a space is put before the name, but none behind it
      add_name(name);
    } else if (is_space(c)) {
      word_.end(made_);
    } else {
      word_.add(c, rest.substr(0, size));
    }
    return size;
  }

  void add_name(std::string_view name) {
    made_.count_marks(name);
    for (auto& c : name) {
      if (auto kind = kind_of(c); kind < space)
        word_.add_ascii(c, kind);
      else if (kind == space)
        word_.end(made_);
      else
        word_.add(0xfffd, {&c, 1});
    }
  }

  std::string_view text_;
  const emotion_lexicon& lexicon_;
  vader_text& to_;
  token_maker made_;
  word_reader word_;
};

} // namespace

void split(std::string_view text, const emotion_lexicon& lexicon, vader_text& to) {
  to.tokens.clear();
  to.telling.clear();
  to.but = SIZE_MAX;
  to.exclamations = to.questions = 0;
  splitter{text, lexicon, to}.run();
}

} // namespace sotto
