#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sotto {

/// Where a batch of an operation runs.
enum class work_lane : uint8_t {
  /// In the batcher itself: what takes less than handing it over and waiting.
  here,
  /// On workers of the cooperative scheduler: what keeps a core busy.
  pool,
  /// On workers with a thread of their own: what waits (disk, other programs).
  detached,
  /// In a child process: what may crash or take too much memory. By configuration only.
  isolated,
};
inline constexpr size_t work_lanes = 4;

std::string_view to_string(work_lane x);
std::optional<work_lane> lane_from(std::string_view name);

/// What running one batch took (nanoseconds).
struct work_sample {
  int64_t wall = 0;
  int64_t cpu = 0;
  /// The thread gave its core away by itself. Without it, time off the core is somebody else's
  /// doing and says nothing about the work.
  bool waited = false;
};

/// Measures the thread it is made on until `stop`.
class work_timer {
public:
  work_timer();
  work_sample stop() const;

private:
  int64_t wall_, cpu_;
  long switches_;
};

/// What is known about an operation, and the lane that follows from it. Averages forget
/// exponentially, so that a route changes with what the operation does now; a route is left only
/// when the figure is well past the border, so that it does not flap. Not thread-safe.
class work_profile {
public:
  /// A pinned operation keeps its lane.
  explicit work_profile(std::optional<work_lane> pinned = {}) : pinned_(pinned) {}

  void observe(const work_sample& x);

  work_lane lane() const { return pinned_.value_or(lane_); }

  /// A batch's time on a core (nanoseconds), and the share of its time that it waits.
  double cpu() const { return cpu_; }
  double waiting() const { return wall_ > 0 ? waited_ / wall_ : 0; }
  /// How often the lane changed.
  uint64_t changes() const { return changes_; }

private:
  work_lane decide() const;

  std::optional<work_lane> pinned_;
  work_lane lane_ = work_lane::here;
  double wall_ = 0, cpu_ = 0, waited_ = 0;
  uint64_t seen_ = 0, changes_ = 0;
};

} // namespace sotto
