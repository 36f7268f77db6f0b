#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include <caf/abstract_actor.hpp>
#include <caf/actor_control_block.hpp>

namespace sotto {

/// Who waits for a batch on its way. May be used from any thread: its batcher adds who joins, and
/// whoever is about to run the batch asks whether anybody is left.
class batch_audience {
public:
  struct member {
    caf::strong_actor_ptr asker;
    /// Nanoseconds of the actor clock; 0: none.
    int64_t deadline = 0;

    bool left(int64_t now) const {
      return (deadline != 0 && now > deadline)
             || (asker && asker->get()->getf(caf::abstract_actor::is_terminated_flag));
    }
  };

  void join(member x) {
    std::lock_guard guard{mutex_};
    members_.push_back(std::move(x));
  }

  /// Whether it is too late for everybody, or they have ended.
  bool left(int64_t now) const {
    std::lock_guard guard{mutex_};
    return std::all_of(members_.begin(), members_.end(), [&](auto& x) { return x.left(now); });
  }

private:
  mutable std::mutex mutex_;
  std::vector<member> members_;
};

} // namespace sotto
