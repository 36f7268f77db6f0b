#pragma once

#include <cstdint>
#include <string>

#include <caf/meta/type_name.hpp>

#include "messages/emotion.hpp"
#include "messages/memory.hpp"

namespace sotto {

/// What a session tells of a conversation to who listens.
struct session_event {
  enum class kind : uint8_t {
    /// The companion began to compose a reply (`on`), or ended.
    typing,
    /// What the user feels has changed with their last turn.
    mood,
    /// The companion said something of its own accord.
    message,
    /// Others took this listener's place: nothing more will be told.
    lapsed,
  };
  kind what = kind::typing;
  owner_key owner;
  std::string conversation;
  std::string persona;
  bool on = false;
  emotion_reading emotion;
  std::string text;
  /// Id of the memory that holds the text.
  std::string id;
};

constexpr uint8_t event_bit(session_event::kind x) {
  return static_cast<uint8_t>(1U << static_cast<uint8_t>(x));
}

inline constexpr uint8_t all_events = event_bit(session_event::kind::typing)
                                      | event_bit(session_event::kind::mood)
                                      | event_bit(session_event::kind::message);

/// What a listener wants to be told, for how long. The lease is renewed by asking again; without,
/// the session forgets the listener, so that nothing is left of one that was lost.
struct subscription {
  /// Bits of `event_bit`.
  uint8_t kinds = all_events;
  /// Nanoseconds; 0 ends the subscription.
  int64_t lease = 0;
  /// Who speaks where no turn has said it yet.
  std::string persona;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, session_event& x) {
  return f(caf::meta::type_name("session_event"), x.what, x.owner, x.conversation, x.persona, x.on,
           x.emotion, x.text, x.id);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, subscription& x) {
  return f(caf::meta::type_name("subscription"), x.kinds, x.lease, x.persona);
}

} // namespace sotto
