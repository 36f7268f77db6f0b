#pragma once

#include <string>
#include <vector>

#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "messages/atoms.hpp"
#include "messages/context.hpp"

namespace sotto {

/// SHARED CACHE: the second cache level, which the nodes of a cluster share; never a source of
/// truth. While it cannot be reached everything is missing and nothing is kept.
using shared_cache_actor = caf::typed_actor<
    // As many values as keys, in order; an empty one where there is none.
    caf::replies_to<context, atom::load, std::vector<std::string>>::with<std::vector<std::string>>,
    // As many keys as values; nobody is told what became of it.
    caf::reacts_to<context, atom::write, std::vector<std::string>, std::vector<std::string>>>;

} // namespace sotto
