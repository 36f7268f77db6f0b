#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// How operations are batched, where their batches run, and on how many workers.
struct work_options {
  /// Most items of a batch, and from how many on waiting for more can be worth it.
  size_t max_items = 50;
  size_t min_items = 2;
  /// Longest wait for more items.
  caf::timespan max_window = std::chrono::milliseconds{2};
  /// Items that wait in one batcher at most.
  size_t max_items_waiting = 65'536;
  /// Operations that keep one lane whatever is measured: `NAME=LANE`, where the lane is `here`,
  /// `pool`, `detached` or `isolated`.
  std::vector<std::string> lanes;
  /// Workers on the cooperative scheduler at most; 0 means one a worker thread of the node.
  uint32_t max_pool = 0;
  /// Workers with a thread of their own, at most.
  uint32_t max_detached = 16;
  /// A worker that was not needed for so long is let go.
  caf::timespan idle_after = std::chrono::seconds{10};
  /// Jobs that wait in one pool at most.
  size_t max_waiting = 256;
  /// Memory that a child process may map besides the program itself (bytes); 0 means no limit.
  uint64_t isolated_memory = 1ULL << 30;
  /// How long a child process may take for one batch before it is killed.
  caf::timespan isolated_timeout = std::chrono::seconds{10};
};

} // namespace sotto
