#include "runtime/serving_lease.hpp"

#include <ctime>

namespace sotto {

int64_t boot_nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

} // namespace sotto
