#include "runtime/clock.hpp"

#include <chrono>

namespace sotto {

wall_clock system_wall_clock() {
  return [] {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  };
}

int64_t monotonic_nanos() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

} // namespace sotto
