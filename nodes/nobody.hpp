#pragma once

#include <string>

#include <fmt/format.h>

#include "messages/turn.hpp"

namespace sotto {

/// Names the conversation of a turn of nobody: it has one of its own, which its retries alone
/// share. `ctx` is of the turn's own flow. (Its trace would not do: frontends make many calls
/// within one.)
inline std::string nobodys_conversation(const turn_request& turn, const context& ctx) {
  return turn.idempotency_key.empty() ? fmt::format("{}-{:016x}", trace_id(ctx), ctx.span)
                                      : turn.idempotency_key;
}

} // namespace sotto
