#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <caf/expected.hpp>

#include "messages/context.hpp"
#include "messages/error.hpp"

namespace sotto {

/// What is known of a key; its secret is not. Times are in microseconds since 1970.
struct api_key {
  std::string id;
  std::string name;
  std::string tenant;
  /// SHA-256 of the secret, in hex. A plain hash: the secret is 256 random bits, so there is
  /// nothing to guess that a slow or a salted hash would make dearer, and each request pays it.
  std::string hash;
  /// The most important level that its calls may have.
  priority ceiling = priority::critical;
  /// Requests a second, and how many may come at once; 0: no limit.
  double rate = 0;
  uint32_t burst = 0;
  bool admin = false;
  int64_t created = 0;
  /// 0: never.
  int64_t expires = 0;
  /// 0: it is not. A revoked key stays in the file: a node whose last key was revoked must not be
  /// taken for one that has none.
  int64_t revoked = 0;
};

/// `sk-sotto-<id>-<secret>`.
struct key_text {
  std::string_view id;
  std::string_view secret;
};

/// The parts of a key, or nothing if it cannot be one.
std::optional<key_text> split_key(std::string_view text);

using key_hash = std::array<unsigned char, 32>;

/// SHA-256.
key_hash hash_of(std::string_view secret);

/// From 64 hex digits.
std::optional<key_hash> hash_from(std::string_view hex);

/// Whether two hashes are equal, in a time that does not depend on where they differ.
bool same_hash(const key_hash& a, const key_hash& b);

/// A new key of what `with` says (`id`, `hash` are set here), and its text, which is nowhere else.
/// Fails where the operating system has no random numbers.
struct made_key {
  api_key record;
  std::string text;
};
caf::expected<made_key> make_key(api_key with);

/// Longest file of keys (bytes): some hundred thousand of them.
inline constexpr size_t largest_key_file = 64 << 20;

/// All keys of a file. Fails with `ec::not_found` where there is no file, and with
/// `ec::storage_failed`, the place and what is wrong for one that is damaged.
caf::expected<std::vector<api_key>> read_keys(const std::filesystem::path& file);

/// Replaces the file. Hold the folder (`folder_hold`) from before the keys were read.
failure write_keys(const std::filesystem::path& file, const std::vector<api_key>& keys);

} // namespace sotto
