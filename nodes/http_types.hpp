#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nodes/caller.hpp"

namespace sotto {

enum class http_verb : uint8_t { get, head, post, del, options, other };

/// A request as the socket's side hands it to CONNECTION.
struct http_call {
  http_verb verb = http_verb::get;
  /// As sent, percent-encoded, without the query.
  std::string path;
  std::string query;
  /// Headers that the surfaces use; empty where missing.
  std::string user, group, conversation, priority, idempotency_key, last_event, traceparent;
  std::string body;
  caller who;
  /// Monotonic nanoseconds when the first byte of the request was read.
  int64_t received = 0;
  /// What the body takes of the room for bodies, where it is large.
  std::shared_ptr<void> room;
};

/// A whole answer. `headers` come besides the ones every answer has.
struct http_answer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// The value of a query parameter, percent-decoded; empty where it is missing.
std::string query_value(const std::string& query, std::string_view name);

/// Decodes %XX (and nothing else); malformed escapes stay as they are.
std::string percent_decode(std::string_view text);

} // namespace sotto
