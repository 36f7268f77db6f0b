#include "runtime/pool_policy.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace sotto {

namespace {

/// The figure behind `key` in /proc/meminfo (KiB).
double meminfo(const char* key) {
  std::ifstream file{"/proc/meminfo"};
  std::string name, unit;
  for (double value = 0; file >> name >> value; std::getline(file, unit))
    if (name == key)
      return value;
  return 0;
}

/// A figure of the control group (bytes); 0 where there is none or no limit.
double group_figure(const char* name) {
  std::ifstream file{std::string{"/sys/fs/cgroup/"} + name};
  double value = 0;
  file >> value;
  return file ? value : 0;
}

double free_memory() {
  auto total = meminfo("MemTotal:");
  auto machine = total > 0 ? meminfo("MemAvailable:") / total : 1;
  auto limit = group_figure("memory.max");
  auto group = limit > 0 ? 1 - group_figure("memory.current") / limit : 1;
  return std::clamp(std::min(machine, group), 0.0, 1.0);
}

} // namespace

machine_load load_meter::read() {
  std::ifstream file{"/proc/stat"};
  std::string cpu;
  uint64_t user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, stolen = 0;
  file >> cpu >> user >> nice >> system >> idle >> wait >> irq >> soft >> stolen;
  auto busy = user + nice + system + irq + soft + stolen, all = busy + idle + wait;
  auto spent = static_cast<double>(all - all_);
  machine_load result{spent > 0 ? static_cast<double>(busy - busy_) / spent : 0, free_memory()};
  busy_ = busy;
  all_ = all;
  return result;
}

size_t pool_policy::wanted(size_t workers, size_t busy, size_t waiting, const machine_load& load,
                           int64_t now) {
  if (busy >= workers)
    spare_since_ = 0;
  else if (spare_since_ == 0)
    spare_since_ = now;
  if (load.memory_free < limits_.least_memory)
    return limits_.least;
  auto result = workers;
  if (waiting > 0 && busy >= workers && load.cpu < limits_.most_cpu) {
    result = workers + 1;
  } else if (spare_since_ != 0 && now - spare_since_ >= limits_.idle_after) {
    result = workers - 1;
    spare_since_ = now;
  }
  return std::clamp(result, limits_.least, limits_.most);
}

} // namespace sotto
