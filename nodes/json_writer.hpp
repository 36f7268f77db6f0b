#pragma once

#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <utf8.h>

namespace sotto {

/// JSON written as text while it is described, without a tree: a reply has a hundred values, and a
/// tree costs an allocation each. Bytes that are no UTF-8 (a provider's) are replaced.
class json_text {
  using size = rapidjson::SizeType;

public:
  json_text() : to_(buffer_) {}

  void begin_object() { to_.StartObject(); }
  void end_object() { to_.EndObject(); }
  void begin_array() { to_.StartArray(); }
  void end_array() { to_.EndArray(); }
  /// Names of fields are the program's own: never checked.
  void key(std::string_view x) { to_.Key(x.data(), static_cast<size>(x.size())); }
  void value(std::string_view x) {
    if (is_ascii(x) || utf8::is_valid(x.begin(), x.end()))
      to_.String(x.data(), static_cast<size>(x.size()));
    else
      mend(x);
  }
  void value(const char* x) { value(std::string_view{x}); }
  void value(const std::string& x) { value(std::string_view{x}); }
  void value(bool x) { to_.Bool(x); }
  void value(int64_t x) { to_.Int64(x); }
  void value(uint64_t x) { to_.Uint64(x); }
  void value(uint32_t x) { to_.Uint(x); }
  void value(int x) { to_.Int(x); }
  void value(std::nullptr_t) { to_.Null(); }
  void value(double x) {
    if (!std::isfinite(x))
      to_.Null();
    else if (!short_decimal(x))
      to_.Double(x);
  }
  /// A valid JSON value as text.
  void raw(std::string_view x) { to_.RawValue(x.data(), x.size(), rapidjson::kObjectType); }

  std::string take() { return {buffer_.GetString(), buffer_.GetSize()}; }
  std::string_view view() const { return {buffer_.GetString(), buffer_.GetSize()}; }

private:
  static bool is_ascii(std::string_view x) {
    unsigned char all = 0;
    for (auto c : x)
      all |= static_cast<unsigned char>(c);
    return all < 0x80;
  }

  void mend(std::string_view x) {
    std::string whole;
    utf8::replace_invalid(x.begin(), x.end(), std::back_inserter(whole));
    to_.String(whole.data(), static_cast<size>(whole.size()));
  }

  /// Writes a number of at most four decimals, as nearly all of ours are; false for any other. The
  /// nearest double of such a number has no shorter decimal form, so the text is the same as the
  /// general algorithm's, at a tenth of its cost.
  bool short_decimal(double x) {
    constexpr double scale = 10'000;
    if (std::abs(x) > 1e9)
      return false;
    auto whole = std::llround(x * scale);
    if (static_cast<double>(whole) / scale != x || (whole == 0 && std::signbit(x)))
      return false;
    std::array<char, 24> text;
    auto end = text.data() + text.size(), at = end;
    auto left = static_cast<uint64_t>(std::abs(whole));
    auto begun = false;
    for (int i = 0; i < 4; ++i, left /= 10) {
      begun = begun || left % 10 != 0 || i == 3;
      if (begun)
        *--at = static_cast<char>('0' + left % 10);
    }
    *--at = '.';
    do
      *--at = static_cast<char>('0' + left % 10);
    while ((left /= 10) != 0);
    if (whole < 0)
      *--at = '-';
    return to_.RawValue(at, static_cast<size_t>(end - at), rapidjson::kNumberType);
  }

  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> to_;
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

template <class Sink, class T, class... Ts>
void fields(Sink& to, std::string_view name, T&& x, Ts&&... rest) {
  to.key(name);
  to.value(std::forward<T>(x));
  fields(to, std::forward<Ts>(rest)...);
}

} // namespace sotto
