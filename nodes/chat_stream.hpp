#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "actors/sse_parser.hpp"

namespace sotto {

/// Reads the streamed answer of `/v1/chat/completions`: tokens as they come, and at the end what
/// the node says about the turn. Bytes may be cut anywhere.
class chat_stream {
public:
  /// `token` gets each piece of the reply, whole UTF-8 characters.
  explicit chat_stream(std::function<void(std::string_view)> token) : token_(std::move(token)) {}

  chat_stream(const chat_stream&) = delete;
  chat_stream& operator=(const chat_stream&) = delete;

  void feed(std::string_view bytes);

  const std::string& text() const { return text_; }
  const std::string& model() const { return model_; }

  /// The node's `sotto` object (emotion, memories, degraded, ...); null until it came.
  const nlohmann::json& about() const { return about_; }

  /// Why there is no whole reply, for people; empty if there is one. Call at the stream's end.
  std::string problem() const;

private:
  void event(std::string_view data);
  void chunk(const nlohmann::json& x);

  std::function<void(std::string_view)> token_;
  sse_parser parser_{[this](std::string_view data) { event(data); }};
  std::string text_;
  std::string model_;
  std::string problem_;
  nlohmann::json about_;
  bool done_ = false;
};

/// Text that may come from a model or a provider, safe for a terminal: without control characters
/// (C0 but line breaks and tabs, DEL, C1), which could steer it.
std::string printable(std::string_view text);

/// One line about the mood in a `sotto` object; empty if there is none.
std::string mood_line(const nlohmann::json& about);

/// The memories in a `sotto` object: an array, or null.
const nlohmann::json& memories_of(const nlohmann::json& about);

/// One line about a memory, recalled or listed.
std::string memory_line(const nlohmann::json& memory);

/// The parts that failed or were late for a reply, from a `sotto` object.
std::string degraded_line(const nlohmann::json& about);

} // namespace sotto
