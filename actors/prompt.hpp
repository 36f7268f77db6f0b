#pragma once

#include <string>
#include <vector>

#include "config/persona_options.hpp"
#include "config/session_options.hpp"
#include "messages/turn.hpp"

namespace sotto {

/// One line of a conversation as the session keeps it.
struct spoken_line {
  std::string speaker;
  std::string text;
  /// Said by the companion.
  bool own = false;
  /// Place among the owner's memories; 0: not known.
  uint64_t seq = 0;
};

/// Whether the client brought the conversation itself; system messages alone are instructions.
bool brings_context(const turn_request& turn);

/// What a prompt is made of. `recent` is oldest first.
struct prompt_parts {
  const persona_options& persona;
  const turn_request& turn;
  const emotion_reading& mood;
  const std::vector<recalled>& memories;
  const std::vector<spoken_line>& recent;
  /// What was said before those, in short; may be empty.
  const std::string& before;
};

/// The messages for the model: persona with mood and memories as the system message, then the
/// context (the history that the client brought, else the newest recent lines that fit the
/// budget), then the turn's text. A memory that stands in the context is not told twice.
std::vector<chat_message> build_prompt(const prompt_parts& parts, const session_options& options);

/// What the builtin responder makes an answer of; the reply, which waits, keeps the rest.
std::vector<recalled> to_answer_from(const std::vector<recalled>& found);

/// The client's generation parameters (a JSON object as text, may be empty) with the persona's
/// temperature where the client gave none.
std::string merge_parameters(const std::string& given, const persona_options& persona);

} // namespace sotto
