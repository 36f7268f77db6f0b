#include "runtime/prompt_thread.hpp"

#include <cstdint>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sotto {

namespace {

/// As sched_setattr(2) has it; the C library does not declare it.
struct attributes {
  uint32_t size = sizeof(attributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  /// Of ordinary threads: the slice (nanoseconds).
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};

/// The shortest that the system takes.
constexpr uint64_t short_slice = 100'000;

} // namespace

void make_thread_prompt() {
  attributes x;
  constexpr pid_t this_thread = 0;
  // All else stays as it is: the process may have been started with a lower priority.
  if (syscall(SYS_sched_getattr, this_thread, &x, sizeof x, 0) != 0 || x.policy != SCHED_OTHER)
    return;
  x.size = sizeof x;
  x.flags = 0;
  x.runtime = short_slice;
  x.deadline = x.period = 0;
  syscall(SYS_sched_setattr, this_thread, &x, 0);
}

} // namespace sotto
