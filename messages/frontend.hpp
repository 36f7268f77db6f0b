#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "messages/context.hpp"
#include "messages/error.hpp"

namespace sotto {

/// How envelopes are written on a WebSocket.
enum class frontend_format : uint8_t { json, msgpack };

/// The WebSocket subprotocol of a format.
std::string_view subprotocol(frontend_format format);

/// What a frontend sends over `/v1/actors`; PROTOCOL.md describes it.
struct frontend_call {
  /// The frontend's own number for the call, given back with every answer: a string or an integer.
  nlohmann::json id;
  std::string to;
  std::string type;
  priority level = priority::normal;
  /// The frontend chose the level; else it is the default.
  bool level_given = false;
  /// Milliseconds the call may take; 0 leaves it to the node.
  int64_t deadline_ms = 0;
  /// A W3C traceparent; may be empty.
  std::string trace;
  nlohmann::json body;
};

/// Reads one frame. On failure `why` says what is wrong; `id` is set if it could be read.
frontend_call read_call(std::string_view frame, frontend_format format, failure& why);

/// Writes an answer: `type` is `token`, `reply` or `error`.
std::string write_answer(const nlohmann::json& id, std::string_view type, std::string_view trace,
                         nlohmann::json body, frontend_format format);

/// The body of an `error` answer.
nlohmann::json error_body(const failure& why);

/// Msgpack and back. Reading refuses nesting deeper than `max_json_depth`, map keys that are not
/// strings, extension types, strings that are not UTF-8 and bytes behind the value; binary data is
/// refused too.
nlohmann::json parse_msgpack(std::string_view bytes, failure& why);
std::string to_msgpack(const nlohmann::json& value);

} // namespace sotto
