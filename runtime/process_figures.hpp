#pragma once

#include <cstdint>

namespace sotto {

/// What the operating system says of this process.
struct process_figures {
  /// Nanoseconds of processor time since the start, all threads.
  int64_t cpu = 0;
  /// Bytes in memory.
  uint64_t resident = 0;
};

process_figures read_process_figures();

/// Cores that this process may run on.
uint32_t usable_cores();

/// Bytes of memory that this process may use: the machine's, or less where a cgroup says so.
uint64_t usable_memory();

} // namespace sotto
