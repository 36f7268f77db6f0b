#pragma once

#include "messages/actors.hpp"
#include "messages/parts.hpp"

namespace sotto {

/// STORE READER as SHARD calls it. What `loaded` brings is all of an owner, or the first
/// `part_rows` memories with everything else of theirs; then SHARD asks on.
using part_reader_actor = store_reader_actor::extend<
    // The next memories behind this place, with their vectors; fewer than `part_rows`: the last.
    caf::replies_to<context, atom::load, owner_key, uint64_t>::with<memory_write>>;

} // namespace sotto
