#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "messages/atoms.hpp"
#include "messages/context.hpp"
#include "messages/memory.hpp"

namespace sotto {

/// An owner in the store, and how many of their memories have no vector of the node's embedder.
struct owner_vectors {
  owner_key owner;
  uint64_t missing = 0;
};

/// How far embedding everything anew has come.
struct reembed_progress {
  enum class phase : uint8_t {
    idle,
    running,
    done,
    /// The store or the provider failed; `why` says how. Starting again goes on where it stopped,
    /// because what has its vector by then is passed over.
    stopped,
  };
  phase at = phase::idle;
  /// Owners that were looked at, memories that got their vector, and those that got none.
  uint64_t owners = 0, embedded = 0, left = 0;
  std::string why;
};

/// The owners of a store in order of their keys. Part of STORE READER.
using owner_list_actor =
    // Those behind the given key, at most so many; fewer only at the end.
    caf::typed_actor<caf::replies_to<context, atom::list, owner_key,
                                     uint32_t>::with<std::vector<owner_vectors>>>;

/// REEMBEDDER: brings the memories of all owners to the node's embedder. Called by CONNECTION.
/// Calls STORE READER and PARTITIONs.
using reembed_actor = caf::typed_actor<
    // Starts where it is not running; how far it is.
    caf::replies_to<context, atom::run>::with<reembed_progress>,
    // How far it is.
    caf::replies_to<context, atom::list>::with<reembed_progress>,
    // Own timer: look how far the woken owners are.
    caf::reacts_to<context, atom::tick>>;

} // namespace sotto

// Stay within the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::owner_vectors)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::owner_vectors>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::reembed_progress)
