#include "nodes/work_lanes.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nodes/worker_command.hpp"
#include "runtime/isolated.hpp"
#include "runtime/work_pool.hpp"

namespace sotto {

namespace {

/// `OPERATION=LANE`; the configuration has checked the form.
std::pair<std::string, work_lane> pin_of(const std::string& text) {
  auto mark = text.find('=');
  return {text.substr(0, mark), *lane_from(text.substr(mark + 1))};
}

work_pool_settings pool_settings(const options& with, bool detached) {
  work_pool_settings x;
  x.lane = detached ? "detached" : "pool";
  x.limits.most = detached                  ? with.work.max_detached
                  : with.work.max_pool != 0 ? with.work.max_pool
                                            : worker_count(with);
  x.limits.idle_after = with.work.idle_after.count();
  if (detached)
    x.limits.most_cpu = 2; // they wait more than they work
  x.max_waiting = with.work.max_waiting;
  x.detached = detached;
  x.load = [meter = std::make_shared<load_meter>()] { return meter->read(); };
  return x;
}

isolated_settings host_settings(reactor& io, const options& with, const std::string& operation) {
  isolated_settings x;
  x.operation = operation;
  x.timeout = with.work.isolated_timeout;
  x.start = [&io, arguments = worker_arguments(with, operation)](child_events events) {
    return start_child(io, arguments, std::move(events));
  };
  return x;
}

} // namespace

uint32_t worker_count(const options& with) {
  return with.node.workers > 0 ? with.node.workers
                               : std::max(2U, std::thread::hardware_concurrency());
}

failure check_lanes(const options& with) {
  auto& known = isolated_operations();
  for (auto& x : with.work.lanes) {
    auto [operation, lane] = pin_of(x);
    if (lane == work_lane::isolated
        && std::find(known.begin(), known.end(), operation) == known.end())
      return {ec::invalid,
              fmt::format("work.lanes: {} cannot run in a process of its own; {} can", operation,
                          fmt::join(known, ", ")),
              "work.lanes"};
  }
  return {};
}

std::shared_ptr<const work_places>
start_work_places(caf::actor_system& system, reactor& io, const options& with,
                  const std::function<void(caf::strong_actor_ptr)>& keep) {
  auto kept = [&](auto handle) {
    keep(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  };
  auto places = std::make_shared<work_places>();
  places->pool = kept(system.spawn(work_pool, pool_settings(with, false)));
  places->detached = kept(system.spawn(work_pool, pool_settings(with, true)));
  std::unordered_map<std::string, isolated_actor> hosts;
  for (auto& x : with.work.lanes) {
    auto [operation, lane] = pin_of(x);
    places->pins[operation] = lane;
    if (lane == work_lane::isolated)
      hosts.emplace(operation, kept(system.spawn(isolated, host_settings(io, with, operation))));
  }
  places->isolate = [hosts](const std::string& operation) { return hosts.at(operation); };
  return places;
}

} // namespace sotto
