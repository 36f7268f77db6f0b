#pragma once

#include <cstdint>
#include <string>

#include "messages/turn.hpp"

namespace sotto {

/// A turn with an idempotency key is about to begin.
struct turn_opening {
  owner_key owner;
  std::string conversation;
  std::string key;
  uint64_t text_hash = 0;
};

/// What the journal knows of such a turn.
struct turn_found {
  enum class kind : uint8_t {
    /// Nothing: it is written down now, durably.
    fresh,
    /// It had begun before the node ended, and must be run again.
    interrupted,
    /// It is over: `reply` is what was answered.
    done,
    /// The key was used for another text.
    conflict,
    /// It is over, but what was answered was removed since.
    removed,
  };
  kind what = kind::fresh;
  turn_reply reply;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, turn_opening& x) {
  return f(caf::meta::type_name("turn_opening"), x.owner, x.conversation, x.key, x.text_hash);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, turn_found& x) {
  return f(caf::meta::type_name("turn_found"), x.what, x.reply);
}

} // namespace sotto
