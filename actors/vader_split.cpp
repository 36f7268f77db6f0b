#include <algorithm>
#include <array>
#include <bit>
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
  explicit token_maker(vader_text& to) : to_(to) {}

  void add(const word_seen& x) {
    auto word = x.text;
    if (((kind_of(word.front()) | kind_of(word.back())) & punctuation) != 0)
      word = stripped(x);
    to_.words.push_back({emotion_lexicon::hash_of({word.data(), word.size()}),
                         (x.kinds & (upper | lower)) == upper,
                         (x.kinds & quote) != 0 && word.find("n't") != std::string_view::npos});
  }

  /// Looks the words up, one behind the other and without a branch that depends on what they are.
  void finish(const emotion_lexicon& lexicon) {
    auto count = to_.words.size();
    to_.tokens.resize(count);
    to_.telling.resize(count);
    size_t telling = 0, capitals = 0, but = count;
    for (size_t i = 0; i < count; ++i) {
      auto& word = to_.words[i];
      auto& entry = lexicon.find(word.hash);
      auto flags = entry.flags | (word.negates ? lexicon_entry::negator : 0);
      to_.tokens[i] = {&entry, static_cast<uint8_t>(flags), entry.word, word.upper};
      to_.telling[telling] = static_cast<uint32_t>(i);
      telling += static_cast<size_t>((flags & (lexicon_entry::rated | lexicon_entry::feels)) != 0);
      capitals += word.upper ? 1 : 0;
      but = std::min(but, entry.word == rule_word::but ? i : count);
    }
    to_.telling.resize(telling);
    to_.but = but;
    to_.mixed_case = capitals > 0 && capitals < count;
  }

  void count_marks(std::string_view text) {
    for (auto c : text) {
      to_.exclamations += c == '!' ? 1 : 0;
      to_.questions += c == '?' ? 1 : 0;
    }
  }

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

  vader_text& to_;
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

/// Bytes of a text looked at together, so that the ends of words need no branch a byte; a bit a
/// byte says what it is.
struct window {
  static constexpr size_t most = 64;

  uint64_t spaces = 0; // and all bits behind the text's end
  uint64_t wide = 0, capitals = 0, quotes = 0, marks = 0;
};

using sixteen = uint8_t __attribute__((vector_size(16)));

/// A bit for each byte of `x`, which are 0 or 255.
uint64_t bits_of(sixteen x) {
  constexpr uint64_t own_bit = 0x8040201008040201, ones = ~uint64_t{0} / 255;
  std::array<uint64_t, 2> halves;
  std::memcpy(halves.data(), &x, sizeof(x));
  return ((halves[0] & own_bit) * ones) >> 56 | (((halves[1] & own_bit) * ones) >> 56) << 8;
}

/// Looks at what `text` begins with and writes it, with small letters for capitals, to `lowered`,
/// which has room for a window.
window look(std::string_view text, char* lowered) {
  window seen;
  for (size_t i = 0; i < window::most && i < text.size(); i += sizeof(sixteen)) {
    sixteen x{};
    if (i + sizeof(x) <= text.size())
      std::memcpy(&x, text.data() + i, sizeof(x));
    else
      std::memcpy(&x, text.data() + i, text.size() - i);
    auto within = [&x](uint8_t from, uint8_t to) {
      return reinterpret_cast<sixteen>(x - from <= static_cast<uint8_t>(to - from));
    };
    auto capital = within('A', 'Z');
    seen.spaces |= bits_of(within(9, 13) | within(28, 32)) << i;
    seen.wide |= bits_of(within(0x80, 0xff)) << i;
    seen.capitals |= bits_of(capital) << i;
    seen.quotes |= bits_of(within('\'', '\'')) << i;
    seen.marks |= bits_of(within('!', '!') | within('?', '?')) << i;
    x |= capital & 0x20;
    std::memcpy(lowered + i, &x, sizeof(x));
  }
  if (text.size() < window::most)
    seen.spaces |= ~uint64_t{0} << text.size();
  return seen;
}

class splitter {
public:
  splitter(std::string_view text, const emotion_lexicon& lexicon, vader_text& to)
      : text_(text), lexicon_(lexicon), to_(to), made_(to), word_(to.word) {
    auto room = text.size() + window::most + padding;
    if (to.lowered.size() < room)
      to.lowered.resize(room);
  }

  void run() {
    for (size_t from = 0; from < text_.size();) {
      auto seen = look(text_.substr(from), to_.lowered.data() + from);
      if (seen.spaces == 0)
        from = slowly(from, end_of_word(from));
      else
        from += words(from, seen);
    }
    made_.finish(lexicon_);
  }

private:
  /// Takes the words of a window that end in it; returns how many bytes these are.
  size_t words(size_t begin, const window& seen) {
    size_t from = 0;
    for (auto spaces = seen.spaces; spaces != 0; spaces &= spaces - 1) {
      auto to = static_cast<size_t>(std::countr_zero(spaces));
      if (to > from)
        word(begin, from, to, seen);
      else if (begin + to >= text_.size())
        break;
      from = to + 1;
    }
    return from;
  }

  void word(size_t begin, size_t from, size_t to, const window& seen) {
    auto its = (~uint64_t{0} >> (window::most - (to - from))) << from;
    if ((seen.wide & its) != 0) {
      slowly(begin + from, begin + to);
      return;
    }
    auto size = to - from;
    uint8_t kinds = (seen.quotes & its) != 0 ? quote : 0;
    if ((seen.capitals & its) != 0)
      for (auto c : text_.substr(begin + from, size))
        kinds |= kind_of(c);
    if ((seen.marks & its) != 0)
      made_.count_marks(text_.substr(begin + from, size));
    made_.add({{to_.lowered.data() + begin + from, size}, size, kinds});
  }

  size_t end_of_word(size_t at) const {
    while (at < text_.size() && kind_of(text_[at]) != space)
      ++at;
    return at;
  }

  /// Takes what stands between two spaces of ASCII; returns `to`.
  size_t slowly(size_t from, size_t to) {
    for (auto i = from; i < to;) {
      if (auto kind = kind_of(text_[i]); kind < wide) {
        if ((kind & mark) != 0)
          made_.count_marks(text_.substr(i, 1));
        word_.add_ascii(text_[i++], kind);
      } else {
        i += other(text_.substr(i, to - i), i == 0 || text_[i - 1] == ' ');
      }
    }
    word_.end(made_);
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
  to.words.clear();
  to.exclamations = to.questions = 0;
  splitter{text, lexicon, to}.run();
}

} // namespace sotto
