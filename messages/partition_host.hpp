#pragma once

#include "messages/cluster.hpp"
#include "messages/link.hpp"

namespace sotto {

/// PARTITION HOST: one a node; starts and ends the PARTITIONs that live here as MEMBERSHIP says,
/// and tells everybody else the way. A node alone owns all partitions from the start and for good.
/// Calls PARTITION, STORE WRITER, MEMBERSHIP and ROUTE.
using partition_host_actor = cluster_client_actor::extend<
    // Answered when what was told before is done.
    caf::replies_to<context, atom::list>::with<uint32_t>,
    // No new turns anywhere; answered when the running ones of all partitions here are over.
    caf::replies_to<context, atom::drain>::with<atom::drained>,
    // Own timer: tell MEMBERSHIP what the partitions here cost.
    caf::reacts_to<context, atom::measured>,
    // Own timer: start this partition again where it failed, let go of it where it moved.
    caf::reacts_to<context, atom::tick, uint32_t, uint64_t>>;

} // namespace sotto
