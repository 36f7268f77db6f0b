#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "messages/frontend.hpp"
#include "messages/turn.hpp"

namespace sotto {

/// The frame that answers a call of a frontend with a turn's reply (messages/PROTOCOL.md).
/// `lowered`: the level that the turn got, where the caller may not have the one it asked for.
std::string reply_frame(const nlohmann::json& id, const std::string& trace, const turn_reply& x,
                        std::optional<priority> lowered, frontend_format format);

} // namespace sotto
