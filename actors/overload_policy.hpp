#pragma once

#include <array>

#include "config/admission_options.hpp"
#include "runtime/node_load.hpp"

namespace sotto {

/// What ADMISSION sees of the node at one look.
struct load_sample {
  /// Nanoseconds of a clock that does not go back.
  int64_t now = 0;
  /// Fewest turns that waited at any time since the look before (background left out): what stands
  /// in the queue, as against what passes through it (CoDel, Nichols and Jacobson 2012).
  size_t standing = 0;
  /// Turns let run since the look before.
  size_t served = 0;
  /// Turns refused since the look before.
  size_t refused = 0;
  /// Share of the cores that the process may use, 0 to 1.
  double cpu = 0;
  /// Resident bytes of the process.
  uint64_t memory = 0;
};

/// Decides by samples, taken every `interval` or so, which step the node is at. Knows no actor and
/// no clock.
///
/// The queue's wait is what stands in it, divided by the rate at which it is served (Little's law):
/// unlike the wait of a turn it does not depend on the turn's level. Above `target_wait` the step
/// rises, well below it falls, and in between it stays; it rises within tenths of a second and
/// falls within seconds, so that what was spared is not taken back at the first breath.
class overload_policy {
public:
  /// Nanoseconds between two samples.
  static constexpr int64_t interval = 100'000'000;

  /// `memory_limit`: resident bytes above which turns are refused.
  overload_policy(const admission_options& options, uint64_t memory_limit)
      : target_(static_cast<double>(options.target_wait.count())),
        memory_limit_(static_cast<double>(memory_limit)), allow_builtin_(options.allow_builtin) {}

  overload_step look(const load_sample& x);

  overload_step step() const { return step_; }
  /// Nanoseconds that a turn waits in the standing queue.
  double wait() const { return wait_; }
  /// Turns served in a second, measured while there was enough to do.
  double rate() const { return rate_; }

  /// From how many turns before it on a turn of a level is refused; `node_load::no_limit` while
  /// none is.
  uint32_t room(priority level) const;

  /// Seconds until those refused of late, and `ahead` turns that wait, could be served: 1 to 60.
  uint32_t retry_after(size_t ahead) const;

private:
  void measure(const load_sample& x);
  void rise();
  void fall();

  double target_;
  double memory_limit_;
  bool allow_builtin_;
  overload_step step_ = overload_step::normal;
  int64_t last_ = 0;
  double rate_ = 0;
  double refused_rate_ = 0;
  double wait_ = 0;
  bool memory_full_ = false;
  int busy_ = 0;
  int calm_ = 0;
};

} // namespace sotto
