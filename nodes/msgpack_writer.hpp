#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <msgpack.hpp>
#include <nlohmann/json.hpp>

#include "messages/frontend.hpp"

namespace sotto {

/// A description (`describe`) written as msgpack while it is made, without a tree. How many values
/// an object or an array has is known at its end only: its head has room for up to 65,535, which
/// nothing that is described reaches.
class msgpack_text {
public:
  msgpack_text() : to_(text_) { text_.text.reserve(2048); }

  void begin_object() { open('\xde'); }
  void end_object() { close(); }
  void begin_array() { open('\xdc'); }
  void end_array() { close(); }
  void key(std::string_view x) { put_text(x); }
  void value(std::string_view x) {
    count();
    put_text(x);
  }
  void value(const char* x) { value(std::string_view{x}); }
  void value(const std::string& x) { value(std::string_view{x}); }
  void value(std::nullptr_t) {
    count();
    to_.pack_nil();
  }
  /// With four decimals, as in JSON.
  void value(float x) { value(std::round(static_cast<double>(x) * 10'000) / 10'000); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void value(T x) {
    count();
    to_.pack(x);
  }
  /// A valid JSON value as text.
  void raw(std::string_view x) {
    if (x != "{}")
      return value(nlohmann::json::parse(x, nullptr, false));
    begin_object();
    end_object();
  }
  void value(const nlohmann::json& x) {
    count();
    text_.text += to_msgpack(x);
  }

  std::string take() { return std::move(text_.text); }

private:
  struct sink {
    std::string text;
    void write(const char* data, size_t size) { text.append(data, size); }
  };
  /// An object or array that is open: where its head is, and the values in it.
  struct level {
    size_t head = 0;
    uint16_t values = 0;
  };

  void put_text(std::string_view x) {
    auto size = static_cast<uint32_t>(x.size());
    to_.pack_str(size).pack_str_body(x.data(), size);
  }

  void count() {
    if (!open_.empty())
      ++open_.back().values;
  }

  void open(char head) {
    count();
    open_.push_back({text_.text.size(), 0});
    text_.text += head;
    text_.text.append(2, '\0');
  }

  void close() {
    constexpr unsigned byte = 8;
    auto [head, values] = open_.back();
    open_.pop_back();
    text_.text[head + 1] = static_cast<char>(values >> byte);
    text_.text[head + 2] = static_cast<char>(values);
  }

  sink text_;
  msgpack::packer<sink> to_;
  std::vector<level> open_;
};

} // namespace sotto
