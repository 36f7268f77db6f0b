#pragma once

namespace caf {
class actor_system_config;
}

namespace sotto {

/// Makes every message type known to CAF. One call serves nodes and tests.
void register_messages(caf::actor_system_config& cfg);

} // namespace sotto
