#pragma once

#include <cstdint>

#include "messages/memory.hpp"

namespace sotto {

/// The partition an owner belongs to: XXH64 of the owner, seeded with that of the tenant, modulo
/// `count`.
/// The same on every node and in every release; `count` is fixed when a cluster is created.
uint32_t partition_of(const owner_key& owner, uint32_t count);

} // namespace sotto
