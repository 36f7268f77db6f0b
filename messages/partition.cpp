#include "messages/partition.hpp"

#include <xxhash.h>

namespace sotto {

uint32_t partition_of(const owner_key& owner, uint32_t count) {
  auto seed = XXH64(owner.tenant.data(), owner.tenant.size(), 0);
  return static_cast<uint32_t>(XXH64(owner.owner.data(), owner.owner.size(), seed) % count);
}

} // namespace sotto
