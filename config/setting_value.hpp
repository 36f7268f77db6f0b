#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// A value as a configuration file holds it; `monostate` stands for kinds no setting takes.
using setting_value =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<std::string>>;

/// The value as TOML text.
std::string show(const setting_value& x);

/// The value as it may be repeated in a message: cut short, and a password in a URL replaced.
std::string show_safely(const setting_value& x);

/// Replaces the password of `scheme://user:password@host` by `***`.
std::string without_password(std::string_view text);

/// Text as a TOML basic string.
std::string toml_string(std::string_view text);

/// Reads `250ms`, `10s`, `1.5h`: a number and one of ns, us, ms, s, m, h, d. Nothing for other
/// text, negative durations, or more than 292 years.
std::optional<caf::timespan> read_duration(std::string_view text);

/// The shortest text that `read_duration` reads as `x`.
std::string show_duration(caf::timespan x);

/// Reads `64MiB`, `10kB` or a plain number of bytes. Units: B, kB, MB, GB, KiB, MiB, GiB, TiB.
std::optional<uint64_t> read_size(std::string_view text);

/// The shortest text in binary units that `read_size` reads as `bytes`.
std::string show_size(uint64_t bytes);

/// Whole text as a number; nothing otherwise.
std::optional<int64_t> read_integer(std::string_view text);
std::optional<double> read_number(std::string_view text);

/// The candidate most similar to `word` by edit distance (Levenshtein, 1966), if any is similar
/// enough to be a likely slip of the pen; otherwise empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// Insertions, deletions and substitutions of bytes that turn `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b);

} // namespace sotto
