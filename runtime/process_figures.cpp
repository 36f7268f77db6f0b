#include "runtime/process_figures.hpp"

#include <algorithm>
#include <fstream>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sotto {

process_figures read_process_figures() {
  constexpr int64_t nanos_per_second = 1'000'000'000, nanos_per_micro = 1000;
  process_figures x;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  for (auto& t : {used.ru_utime, used.ru_stime})
    x.cpu += t.tv_sec * nanos_per_second + t.tv_usec * nanos_per_micro;
  std::ifstream file{"/proc/self/statm"};
  uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  x.resident = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return x;
}

uint32_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
    return 1;
  return static_cast<uint32_t>(std::max(CPU_COUNT(&cores), 1));
}

uint64_t usable_memory() {
  auto machine =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t limit = 0;
  // cgroup v2; "max" reads as no number.
  std::ifstream file{"/sys/fs/cgroup/memory.max"};
  return file >> limit && limit > 0 ? std::min(limit, machine) : machine;
}

} // namespace sotto
