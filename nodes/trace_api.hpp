#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "messages/error.hpp"
#include "runtime/recorder.hpp"

namespace sotto {

/// The surface of `/v1/traces`, as values.

inline constexpr std::string_view traces_path = "/v1/traces", trace_prefix = "/v1/traces/";

/// The halves of a trace id of 32 hex digits, not all zero; nothing for another text.
std::optional<std::pair<uint64_t, uint64_t>> read_trace_id(std::string_view text);

/// Now, by both clocks: nanoseconds of the actor clock, microseconds since 1970.
struct clock_pair {
  int64_t nanos = 0;
  int64_t micros = 0;
};

/// A trace from its records, which are not empty: `{trace, started, took_ms, spans: [...]}`, one
/// span a message in order of time. `at_ms` counts from the trace's beginning; a message waited for
/// `waited_ms` before its actor worked on it for `took_ms`. A note tells what befell the flow.
nlohmann::json to_json_value(std::vector<message_record> records, const clock_pair& now);

/// The latest traces of all records, newest first: `{traces: [{trace, started, took_ms, messages,
/// level, outcome, notes}]}`. `outcome`: the worst of its messages.
nlohmann::json list_traces(const std::vector<message_record>& records, size_t limit,
                           const clock_pair& now);

/// Reads `limit` of a query, 1 to 200 (50 where it is missing); `why` says what is wrong with it.
size_t read_trace_limit(const std::string& query, failure& why);

} // namespace sotto
