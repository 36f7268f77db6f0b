#include "runtime/gathered_log.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace sotto::sqlite {

namespace {

/// More than this is written without waiting for a sync (bytes).
constexpr size_t most_held = 4 << 20;
constexpr size_t most_kept = 1 << 20;
/// SQLite's own layer takes the size of a write modulo 128 KiB (`seekAndWriteFd` of 3.40).
constexpr size_t most_at_once = 64 << 10;

/// The file of the layer below lies behind this in memory.
struct log_file {
  sqlite3_file head;
  /// What is not written yet; belongs to the file from open to close.
  std::string* held;
  sqlite3_int64 held_at;

  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

int flush(log_file& x) {
  auto code = SQLITE_OK;
  for (size_t done = 0; done < x.held->size() && code == SQLITE_OK; done += most_at_once) {
    auto size = std::min(most_at_once, x.held->size() - done);
    code = x.below()->pMethods->xWrite(x.below(), x.held->data() + done, static_cast<int>(size),
                                       x.held_at + static_cast<sqlite3_int64>(done));
  }
  // After a failure SQLite rolls back and never reads these frames.
  x.held->clear();
  if (x.held->capacity() > 2 * most_kept)
    x.held->shrink_to_fit();
  return code;
}

int write(sqlite3_file* f, const void* data, int bytes, sqlite3_int64 at) {
  auto& x = *reinterpret_cast<log_file*>(f);
  auto follows = at == x.held_at + static_cast<sqlite3_int64>(x.held->size());
  if (!follows || x.held->size() + static_cast<size_t>(bytes) > most_held)
    if (auto code = flush(x); code != SQLITE_OK)
      return code;
  if (x.held->empty())
    x.held_at = at;
  x.held->append(static_cast<const char*>(data), static_cast<size_t>(bytes));
  return SQLITE_OK;
}

/// Calls a method of the file below once everything is written.
template <auto Method, class... Ts>
int pass(sqlite3_file* f, Ts... xs) {
  auto& x = *reinterpret_cast<log_file*>(f);
  auto code = flush(x);
  return code == SQLITE_OK ? (x.below()->pMethods->*Method)(x.below(), xs...) : code;
}

/// Calls a method of the file below that has nothing to do with its content.
template <auto Method, class... Ts>
int just_pass(sqlite3_file* f, Ts... xs) {
  auto below = reinterpret_cast<log_file*>(f)->below();
  return (below->pMethods->*Method)(below, xs...);
}

int close(sqlite3_file* f) {
  auto& x = *reinterpret_cast<log_file*>(f);
  auto written = flush(x);
  delete std::exchange(x.held, nullptr);
  auto closed = x.below()->pMethods->xClose(x.below());
  return written == SQLITE_OK ? closed : written;
}

// Version 1: a log has no shared memory and is not mapped.
constexpr sqlite3_io_methods methods{
    1,
    close,
    pass<&sqlite3_io_methods::xRead, void*, int, sqlite3_int64>,
    write,
    pass<&sqlite3_io_methods::xTruncate, sqlite3_int64>,
    pass<&sqlite3_io_methods::xSync, int>,
    pass<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    just_pass<&sqlite3_io_methods::xLock, int>,
    just_pass<&sqlite3_io_methods::xUnlock, int>,
    just_pass<&sqlite3_io_methods::xCheckReservedLock, int*>,
    just_pass<&sqlite3_io_methods::xFileControl, int, void*>,
    just_pass<&sqlite3_io_methods::xSectorSize>,
    just_pass<&sqlite3_io_methods::xDeviceCharacteristics>,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

} // namespace

int gathered_log_bytes() {
  return static_cast<int>(sizeof(log_file));
}

int open_gathered_log(sqlite3_vfs* below, const char* name, sqlite3_file* f, int flags,
                      int* out_flags) {
  auto& x = *reinterpret_cast<log_file*>(f);
  x = {};
  auto code = below->xOpen(below, name, x.below(), flags, out_flags);
  // With methods set SQLite calls `xClose`, also after a failed open.
  if (x.below()->pMethods) {
    x.held = new std::string;
    x.head.pMethods = &methods;
  }
  return code;
}

} // namespace sotto::sqlite
