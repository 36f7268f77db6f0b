#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <emmintrin.h>
#include <nlohmann/json.hpp>
#include <rapidjson/writer.h>
#include <utf8.h>

namespace sotto {

/// JSON written as text while it is described, without a tree: a reply has a hundred values, and a
/// tree costs an allocation each. Texts that need no escapes and numbers of few decimals, which are
/// nearly all, are written here; rapidjson writes the others. Bytes that are no UTF-8 (a
/// provider's) are replaced.
class json_text {
public:
  /// `expected`: about how long the text will be (bytes).
  explicit json_text(size_t expected = 512) { text_.resize(expected); }

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  /// Names of fields are the program's own: never checked. Those that stand in the program have a
  /// size that the compiler knows, and cost no call.
  template <size_t N>
  void key(const char (&x)[N]) {
    auto* at = next(N + 2);
    *at++ = '"';
    std::memcpy(at, x, N - 1);
    at += N - 1;
    *at++ = '"';
    *at++ = ':';
    end(at);
    comma_ = false;
  }
  void key(std::string_view x) {
    auto* at = quoted(next(x.size() + 3), x);
    *at++ = ':';
    end(at);
    comma_ = false;
  }
  void value(std::string_view x) {
    auto all = classes_of(x);
    if (all > needs_utf8 || (all == needs_utf8 && !is_utf8(x)))
      return by_library(x);
    end(quoted(next(x.size() + 2), x));
  }
  void value(const char* x) { value(std::string_view{x}); }
  void value(const std::string& x) { value(std::string_view{x}); }
  void value(bool x) { raw(x ? "true" : "false"); }
  void value(int64_t x) { integer(x); }
  void value(uint64_t x) { integer(x); }
  void value(uint32_t x) { integer(x); }
  void value(int x) { integer(x); }
  void value(std::nullptr_t) { raw("null"); }
  /// With four decimals.
  void value(float x) {
    if (std::abs(x) <= most_short)
      decimal(ten_thousandths(static_cast<double>(x)), x < 0);
    else
      value(static_cast<double>(x));
  }
  void value(double x) {
    if (!std::isfinite(x))
      return value(nullptr);
    // The nearest double of a number of at most four decimals has no shorter decimal form, so the
    // text is the same as the general algorithm's, at a tenth of its cost.
    if (std::abs(x) <= most_short && (x != 0 || !std::signbit(x)))
      if (auto whole = ten_thousandths(x); static_cast<double>(whole) / scale == x)
        return decimal(whole, x < 0);
    stream to{*this, next(0)};
    rapidjson::Writer<stream>{to}.Double(x);
  }
  /// A valid JSON value as text.
  void raw(std::string_view x) { end(std::copy(x.begin(), x.end(), next(x.size()))); }

  std::string take() {
    text_.resize(size_);
    return std::move(text_);
  }
  std::string_view view() const { return {text_.data(), size_}; }

private:
  static constexpr double scale = 10'000;
  static constexpr float most_short = 1e9F;
  static constexpr uint8_t needs_utf8 = 1, needs_escape = 2;
  static constexpr auto classes = [] {
    std::array<uint8_t, 256> x{};
    for (size_t c = 0; c < x.size(); ++c)
      x[c] = c < ' ' || c == '"' || c == '\\' ? needs_escape : c < 0x80 ? 0 : needs_utf8;
    return x;
  }();

  static constexpr auto digits = [] {
    std::array<char, 200> x{};
    for (size_t i = 0; i < 100; ++i) {
      x[2 * i] = static_cast<char>('0' + i / 10);
      x[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return x;
  }();

  /// Of all bytes together, sixteen at a time.
  static unsigned classes_of(std::string_view x) {
    constexpr size_t lanes = 16;
    constexpr char last_control = 0x1f;
    auto escaped = _mm_setzero_si128(), any = escaped;
    size_t i = 0;
    for (; i + lanes <= x.size(); i += lanes) {
      auto now = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x.data() + i));
      auto control = _mm_cmpeq_epi8(_mm_min_epu8(now, _mm_set1_epi8(last_control)), now);
      auto marks = _mm_or_si128(_mm_cmpeq_epi8(now, _mm_set1_epi8('"')),
                                _mm_cmpeq_epi8(now, _mm_set1_epi8('\\')));
      escaped = _mm_or_si128(escaped, _mm_or_si128(control, marks));
      any = _mm_or_si128(any, now);
    }
    unsigned result = _mm_movemask_epi8(escaped) != 0 ? needs_escape : 0;
    result |= _mm_movemask_epi8(any) != 0 ? needs_utf8 : 0; // the first bit of a byte is set
    for (; i < x.size(); ++i)
      result |= classes[static_cast<unsigned char>(x[i])];
    return result;
  }

  /// The library looks at what is not ASCII only: that is a quotation mark now and then.
  static bool is_utf8(std::string_view x) {
    constexpr unsigned char first_of_three = 0xe0, first_of_four = 0xf0;
    for (size_t i = 0; i < x.size();) {
      auto c = static_cast<unsigned char>(x[i]);
      if (c < 0x80) {
        ++i;
        continue;
      }
      auto size = c >= first_of_four ? 4U : c >= first_of_three ? 3U : 2U;
      auto one = x.substr(i, size);
      if (one.size() < size || !utf8::is_valid(one.begin(), one.end()))
        return false;
      i += size;
    }
    return true;
  }

  /// Where rapidjson writes to.
  struct stream {
    using Ch = char;
    json_text& to;
    char* at;
    void Put(char c) {
      to.end(at);
      at = to.room(1);
      *at++ = c;
    }
    void Flush() { to.end(at); }
  };

  void by_library(std::string_view x) {
    std::string whole;
    utf8::replace_invalid(x.begin(), x.end(), std::back_inserter(whole));
    stream to{*this, next(0)};
    rapidjson::Writer<stream>{to}.String(whole.data(),
                                         static_cast<rapidjson::SizeType>(whole.size()));
  }

  /// Rounded half away from zero.
  static int64_t ten_thousandths(double x) {
    return static_cast<int64_t>(x * scale + (x < 0 ? -0.5 : 0.5));
  }

  void decimal(int64_t whole, bool negative) {
    constexpr uint64_t fraction = 10'000;
    constexpr size_t longest = 24;
    auto* at = next(longest);
    auto left = static_cast<uint64_t>(std::abs(whole));
    *at = '-';
    at += negative && whole != 0 ? 1 : 0;
    if (left < 10 * fraction)
      *at++ = static_cast<char>('0' + left / fraction);
    else
      at = std::to_chars(at, at + longest, left / fraction).ptr;
    *at++ = '.';
    auto* first = at;
    auto rest = left % fraction;
    at = two_digits(two_digits(at, rest / 100), rest % 100);
    while (at[-1] == '0' && at - 1 > first)
      --at;
    end(at);
  }

  static char* two_digits(char* at, uint64_t x) {
    std::memcpy(at, &digits[2 * x], 2);
    return at + 2;
  }

  template <class T>
  void integer(T x) {
    constexpr size_t longest = 24;
    auto* at = next(longest);
    end(std::to_chars(at, at + longest, x).ptr);
  }

  static char* quoted(char* at, std::string_view x) {
    *at++ = '"';
    at = std::copy(x.begin(), x.end(), at);
    *at++ = '"';
    return at;
  }

  void open(char c) {
    auto* at = next(1);
    *at++ = c;
    end(at);
    comma_ = false;
  }

  void close(char c) {
    auto* at = room(1);
    *at++ = c;
    end(at);
    comma_ = true;
  }

  /// Room for a value of at most `most` bytes, behind the comma that it needs.
  char* next(size_t most) {
    auto* at = room(most + 1);
    *at = ',';
    at += comma_ ? 1 : 0;
    comma_ = true;
    return at;
  }

  char* room(size_t most) {
    if (text_.size() - size_ < most)
      text_.resize(2 * text_.size() + most);
    return text_.data() + size_;
  }

  void end(const char* at) { size_ = static_cast<size_t>(at - text_.data()); }

  /// Room, and how much of it is written.
  std::string text_;
  size_t size_ = 0;
  bool comma_ = false;
};

/// The same description as a tree, for whoever goes on with it (msgpack).
class json_tree {
public:
  void begin_object() { open(nlohmann::json::object()); }
  void end_object() { close(); }
  void begin_array() { open(nlohmann::json::array()); }
  void end_array() { close(); }
  void key(std::string_view x) { key_ = x; }
  template <class T>
  void value(T&& x) {
    add(nlohmann::json(std::forward<T>(x)));
  }
  /// With four decimals, without the noise of the conversion.
  void value(float x) { add(std::round(static_cast<double>(x) * 10'000) / 10'000); }
  void raw(std::string_view x) { add(nlohmann::json::parse(x, nullptr, false)); }

  nlohmann::json take() { return std::move(whole_); }

private:
  struct level {
    nlohmann::json value;
    std::string key;
  };

  void open(nlohmann::json empty) { open_.push_back({std::move(empty), std::exchange(key_, {})}); }

  void close() {
    auto done = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(done.key);
    add(std::move(done.value));
  }

  void add(nlohmann::json x) {
    if (open_.empty())
      whole_ = std::move(x);
    else if (open_.back().value.is_array())
      open_.back().value.push_back(std::move(x));
    else
      open_.back().value.emplace(std::exchange(key_, {}), std::move(x));
  }

  std::vector<level> open_;
  std::string key_;
  nlohmann::json whole_;
};

/// Names and values in turn, inside an object.
template <class Sink>
void fields(Sink&) {}

template <class Sink, size_t N, class T, class... Ts>
void fields(Sink& to, const char (&name)[N], T&& x, Ts&&... rest) {
  to.key(name);
  to.value(std::forward<T>(x));
  fields(to, std::forward<Ts>(rest)...);
}

} // namespace sotto
