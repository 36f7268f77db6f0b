#pragma once

#include <string>

#include "messages/actors.hpp"
#include "messages/event.hpp"

namespace sotto {

namespace atom {

using event = caf::atom_constant<caf::atom("event")>;
inline constexpr event event_v{};
using silence = caf::atom_constant<caf::atom("silence")>;
inline constexpr silence silence_v{};
using subscribe = caf::atom_constant<caf::atom("subscribe")>;
inline constexpr subscribe subscribe_v{};

} // namespace atom

/// EVENT CLIENT: is told events. A CONNECTION of the gateway, or a test.
using event_client_actor = caf::typed_actor<caf::reacts_to<context, atom::event, session_event>>;

/// SESSION and PARTITION with what they do for listeners. PARTITION starts the session and hands
/// over; a session that is listened to is not passivated.
using listened_session_actor = session_actor::extend<
    // Takes a listener to the conversation in, renews its lease, or lets it go.
    caf::reacts_to<context, atom::subscribe, event_client_actor, owner_key, std::string,
                   subscription>,
    // Own timer: the conversation may have been silent for long.
    caf::reacts_to<context, atom::silence>>;

using listened_partition_actor =
    partition_actor::extend<caf::reacts_to<context, atom::subscribe, event_client_actor, owner_key,
                                           std::string, subscription>>;

} // namespace sotto
