#include "runtime/message_bytes.hpp"

#include <exception>

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include "messages/error.hpp"

namespace sotto {

namespace {

caf::error unknown() {
  return to_error(
      {ec::invalid, "this node (sotto " SOTTO_VERSION ") does not know such a message", {}});
}

} // namespace

std::string message_to_bytes(caf::actor_system& system, const caf::message& x) {
  std::vector<char> bytes;
  caf::binary_serializer to{system, bytes};
  auto copy = x; // shares its content
  if (auto wrong = to(copy))
    return {};
  return {bytes.begin(), bytes.end()};
}

caf::expected<caf::message> message_from_bytes(caf::actor_system& system,
                                               const std::string& bytes) {
  caf::message result;
  // A type's own reading may throw at nonsense, such as a length beyond all memory.
  try {
    caf::binary_deserializer from{system, bytes.data(), bytes.size()};
    if (from(result) || result.empty()) // CAF keeps some errors to itself
      return unknown();
  } catch (const std::exception&) {
    return unknown();
  }
  return result;
}

} // namespace sotto
