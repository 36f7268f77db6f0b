#include "runtime/work_routing.hpp"

#include <algorithm>
#include <array>

#include <ctime>
#include <sys/resource.h>

#include "runtime/clock.hpp"

namespace sotto {

namespace {

constexpr std::array<std::string_view, work_lanes> names{"here", "pool", "detached", "isolated"};

/// Weight of the newest batch.
constexpr double newest = 0.1;
/// Batches seen before anything is decided.
constexpr uint64_t enough = 8;
/// A batch that holds a core for longer keeps its batcher from taking in what arrives
/// (nanoseconds).
constexpr double heavy = 500'000;
/// Handing a batch to another thread costs up to a tenth of this.
constexpr double worth_waiting_for = 1'000'000;
/// Share of the time that a blocking operation waits.
constexpr double mostly = 0.5;
/// A lane is left below this share of what led there.
constexpr double stays = 0.5;

int64_t thread_cpu() {
  timespec x{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &x);
  return x.tv_sec * 1'000'000'000 + x.tv_nsec;
}

long own_switches() {
  rusage x{};
  getrusage(RUSAGE_THREAD, &x);
  return x.ru_nvcsw;
}

} // namespace

std::string_view to_string(work_lane x) {
  return names[static_cast<size_t>(x)];
}

std::optional<work_lane> lane_from(std::string_view name) {
  auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end())
    return std::nullopt;
  return static_cast<work_lane>(at - names.begin());
}

work_timer::work_timer()
    : wall_(monotonic_nanos()), cpu_(thread_cpu()), switches_(own_switches()) {}

work_sample work_timer::stop() const {
  return {monotonic_nanos() - wall_, thread_cpu() - cpu_, own_switches() != switches_};
}

void work_profile::observe(const work_sample& x) {
  auto wall = static_cast<double>(std::max<int64_t>(x.wall, 1));
  auto cpu = static_cast<double>(std::clamp<int64_t>(x.cpu, 0, std::max<int64_t>(x.wall, 1)));
  auto weight = seen_ == 0 ? 1.0 : std::max(newest, 1.0 / static_cast<double>(seen_ + 1));
  wall_ += weight * (wall - wall_);
  cpu_ += weight * (cpu - cpu_);
  waited_ += weight * ((x.waited ? wall - cpu : 0) - waited_);
  if (++seen_ < enough)
    return;
  auto next = decide();
  changes_ += next != lane_ ? 1 : 0;
  lane_ = next;
}

work_lane work_profile::decide() const {
  auto blocks = lane_ == work_lane::detached ? stays : 1.0;
  if (waiting() > mostly * blocks && waited_ > worth_waiting_for * blocks)
    return work_lane::detached;
  if (cpu_ > heavy * (lane_ == work_lane::pool ? stays : 1.0))
    return work_lane::pool;
  return work_lane::here;
}

} // namespace sotto
