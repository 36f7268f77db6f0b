#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include <spdlog/logger.h>

#include "config/options.hpp"

namespace sotto {

/// Makes spdlog's default logger write lines to stderr as `options` say. Call at start, before
/// other threads log.
void start_logging(const log_options& options);

/// A logger to any stream, for `start_logging` and tests. Level and format must be checked.
std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, const log_options& options);

/// Lets a repeated warning through only once in a while. May be used from any thread.
class log_gate {
public:
  /// `interval`: least nanoseconds between two messages under one key.
  explicit log_gate(int64_t interval, size_t max_keys = 1024)
      : interval_(interval), max_keys_(max_keys) {}

  /// Whether to log now; then, how many were held back under the key since the last. `now`:
  /// nanoseconds of any clock that does not go back.
  std::optional<uint64_t> pass(const std::string& key, int64_t now);

private:
  struct entry {
    int64_t last;
    uint64_t held = 0;
  };

  int64_t interval_;
  size_t max_keys_;
  std::mutex mutex_;
  std::unordered_map<std::string, entry> entries_;
};

/// Logs a warning that may repeat quickly, at most every ten seconds under one key, with the count
/// of those left out. `key`: one of a limited set of texts, no text from outside.
void warn_seldom(const std::string& key, const std::string& text);

} // namespace sotto
