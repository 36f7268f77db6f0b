#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/llm_options.hpp"
#include "messages/error.hpp"
#include "messages/turn.hpp"

namespace sotto {

/// The body of a request to a provider's `/chat/completions`: the client's parameters, with model,
/// messages and streaming as asked.
std::string chat_body(const generation& ask, const llm_deployment& to);

/// Reads a whole answer (not streamed).
struct chat_answer {
  completion result;
  failure why;
};
chat_answer read_answer(std::string_view body, const llm_deployment& from);

/// Reads one event's data of a streamed answer and adds it to `total`. Returns the new text, or
/// why the stream failed.
struct chat_piece {
  std::string text;
  bool done = false;
  failure why;
};
chat_piece read_piece(std::string_view data, completion& total, const llm_deployment& from);

/// What an answer with an error status means: 429 is `overloaded` with the seconds of Retry-After
/// in `param`; other 4xx but 401, 403, 404 and 408 are `invalid` (it would fail anywhere); the rest
/// is `upstream_failed`. Never repeats what the provider says of the key.
failure read_refusal(unsigned status, uint32_t retry_after, std::string_view body,
                     const llm_deployment& from);

} // namespace sotto
