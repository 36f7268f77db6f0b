#pragma once

#include <concepts>

#include <fmt/format.h>

#include "config/setting_value.hpp"

/// Rules say what a setting may be. Each has `read` (the checked value, or nothing), `show` (the
/// value as TOML text) and `form` (what would be right, for messages and the documentation).
/// Text is accepted for every kind when `plain`: from the environment and the command line.
namespace sotto::rule {

/// A duration such as `250ms`.
struct duration {
  caf::timespan least;
  caf::timespan most;

  std::optional<caf::timespan> read(const setting_value& x, bool plain) const;
  static std::string show(caf::timespan x) { return toml_string(show_duration(x)); }
  std::string form() const;
};

/// A number of bytes, plain or such as `64MiB`.
struct size {
  uint64_t least;
  uint64_t most;

  std::optional<uint64_t> read(const setting_value& x, bool plain) const;
  static std::string show(uint64_t x) { return toml_string(show_size(x)); }
  std::string form() const;
};

/// A whole number.
struct count {
  int64_t least;
  int64_t most;

  std::optional<int64_t> read(const setting_value& x, bool plain) const;
  template <std::integral T>
  static std::string show(T x) {
    return std::to_string(x);
  }
  std::string form() const;
};

/// A number with a fraction.
struct number {
  double least;
  double most;

  std::optional<double> read(const setting_value& x, bool plain) const;
  static std::string show(double x) { return sotto::show(setting_value{x}); }
  std::string form() const;
};

/// `true` or `false`.
struct flag {
  std::optional<bool> read(const setting_value& x, bool plain) const;
  static std::string show(bool x) { return x ? "true" : "false"; }
  std::string form() const { return "true or false"; }
};

/// Text that `right` accepts.
struct text {
  bool (*right)(std::string_view);
  std::string_view what;

  std::optional<std::string> read(const setting_value& x, bool plain) const;
  static std::string show(std::string_view x) { return toml_string(without_password(x)); }
  std::string form() const { return std::string{what}; }
};

/// One of a few words.
struct choice {
  std::vector<std::string> words;

  std::optional<std::string> read(const setting_value& x, bool plain) const;
  static std::string show(std::string_view x) { return toml_string(x); }
  std::string form() const;
};

/// A list of texts; as plain text they are separated by commas.
struct list {
  std::string_view what;

  std::optional<std::vector<std::string>> read(const setting_value& x, bool plain) const;
  static std::string show(const std::vector<std::string>& x) {
    return sotto::show(setting_value{x});
  }
  std::string form() const { return std::string{what}; }
};

/// UTF-8 without control characters other than line breaks and tabs.
bool is_text(std::string_view x);
/// HOST:PORT, or [IPv6]:PORT.
bool is_address(std::string_view x);
/// `http://` or `https://` with a host, an optional port and path, and neither user nor query.
bool is_http_url(std::string_view x);
/// Empty, or a name that an environment variable can have.
bool is_variable(std::string_view x);
/// 1 to 100 bytes without control characters, spaces at the ends or a slash.
bool is_name(std::string_view x);

} // namespace sotto::rule
