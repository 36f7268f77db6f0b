#pragma once

#include <string>

#include <caf/expected.hpp>
#include <caf/fwd.hpp>
#include <caf/message.hpp>

namespace sotto {

/// A message as bytes and back, as CAF writes it.
std::string message_to_bytes(caf::actor_system& system, const caf::message& x);

/// Fails with `ec::invalid` where the bytes are not a message of types that this program knows.
caf::expected<caf::message> message_from_bytes(caf::actor_system& system, const std::string& bytes);

} // namespace sotto
