#pragma once

#include <memory>

#include <caf/actor_system.hpp>

#include "client/client.hpp"
#include "messages/events.hpp"

namespace sotto {

/// CLIENT: a frontend as an actor among the program's own. It takes the messages that a node's
/// PARTITION takes, so that actors talk to it as actors of a node talk to each other; the tenant in
/// them counts for nothing.
using client_actor = memory_actor::extend<
    // Runs a turn; the client hears of it under its ticket. The context's level counts where
    // `level_given`; its deadline is one of this system's actor clock.
    caf::reacts_to<context, atom::say, turn_client_actor, uint64_t, turn_request>,
    // The client gives the turn `ticket` up.
    caf::reacts_to<context, atom::cancel, turn_client_actor, uint64_t, owner_key, std::string,
                   bool>,
    // Tells what happens in a conversation until it is asked for with a lease of 0. A lease need
    // not be renewed: CLIENT does.
    caf::reacts_to<context, atom::subscribe, event_client_actor, owner_key, std::string,
                   subscription>>;

/// Starts CLIENT. When it ends (`anon_send_exit`), the client is let go.
client_actor spawn_client(caf::actor_system& system, std::shared_ptr<client> through);

} // namespace sotto
