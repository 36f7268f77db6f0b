#pragma once

#include "messages/error.hpp"

namespace sotto {

/// Whoever refuses something because the node does not own the partition, and has changed nothing,
/// says so by this.
inline failure partition_moved() {
  return {ec::unavailable, "the conversation has moved to another node", "partition", 1};
}

inline bool has_moved(const failure& x) {
  return x.code == ec::unavailable && x.param == "partition";
}

} // namespace sotto
