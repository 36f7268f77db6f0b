#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <caf/timespan.hpp>

namespace sotto {

/// The second cache level, shared by the nodes of a cluster.
struct cache_options {
  /// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]` or `unix:PATH`; empty: there is none.
  std::string url;
  /// Put before every key, so that several clusters may share one Redis.
  std::string prefix = "sotto:";
  /// How long a value is kept.
  caf::timespan ttl = std::chrono::hours{24 * 7};
  /// Longest wait for Redis; what comes later counts as missing.
  caf::timespan timeout = std::chrono::milliseconds{50};
  /// After a failure it is left alone for so long.
  caf::timespan pause = std::chrono::seconds{1};
};

/// Where a Redis is.
struct redis_address {
  /// A socket's path, or empty.
  std::string path;
  std::string host;
  int port = 6379;
  std::string user, password;
  int database = 0;
};

/// Reads the URL of `cache_options`; nothing where it is none.
std::optional<redis_address> parse_redis_url(const std::string& url);

} // namespace sotto
