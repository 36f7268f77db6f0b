#include "runtime/scrubbing_vfs.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <sqlite3.h>

#include "runtime/gathered_log.hpp"

namespace sotto::sqlite {

namespace {

// An overflow page starts with the number of another page. That can look like the type of a b-tree
// page only in a database of 2^25 pages; far below that, pages are no longer touched.
constexpr sqlite3_int64 largest_database = 64LL << 30;

size_t number_at(const unsigned char* at) {
  return static_cast<size_t>(at[0]) << 8 | at[1];
}

/// Zeroes the free blocks of a page, but for the four bytes that chain them.
void scrub_free_blocks(unsigned char* page, size_t size, size_t block) {
  while (block != 0 && block + 4 <= size) {
    auto next = number_at(page + block);
    auto length = number_at(page + block + 2);
    if (length < 4 || block + length > size)
      return;
    std::memset(page + block + 4, 0, length - 4);
    // The chain ascends; anything else is damage, and not ours to make worse.
    if (next != 0 && next < block + length)
      return;
    block = next;
  }
}

sqlite3_vfs* base_vfs() {
  static auto base = sqlite3_vfs_find("unix");
  return base;
}

/// A database file; the file of the layer below lies behind it in memory.
struct file {
  sqlite3_file head;
  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

/// Calls a method of the file below.
template <auto Method, class... Ts>
int pass(sqlite3_file* x, Ts... xs) {
  auto below = reinterpret_cast<file*>(x)->below();
  return (below->pMethods->*Method)(below, xs...);
}

int write(sqlite3_file* x, const void* data, int bytes, sqlite3_int64 at) {
  constexpr int largest_page = 65'536;
  auto is_page = bytes >= 512 && bytes <= largest_page && (bytes & (bytes - 1)) == 0
                 && at % bytes == 0 && at < largest_database;
  sqlite3_int64 size = 0;
  if (!is_page || pass<&sqlite3_io_methods::xFileSize>(x, &size) != SQLITE_OK
      || size > largest_database)
    return pass<&sqlite3_io_methods::xWrite>(x, data, bytes, at);
  std::array<unsigned char, largest_page> page;
  std::memcpy(page.data(), data, static_cast<size_t>(bytes));
  scrub_page(page.data(), static_cast<size_t>(bytes), at == 0);
  return pass<&sqlite3_io_methods::xWrite>(x, static_cast<const void*>(page.data()), bytes, at);
}

void barrier(sqlite3_file* x) {
  auto below = reinterpret_cast<file*>(x)->below();
  below->pMethods->xShmBarrier(below);
}

// Version 2: with shared memory for the log, without memory-mapped pages.
constexpr sqlite3_io_methods methods{
    2,
    pass<&sqlite3_io_methods::xClose>,
    pass<&sqlite3_io_methods::xRead, void*, int, sqlite3_int64>,
    write,
    pass<&sqlite3_io_methods::xTruncate, sqlite3_int64>,
    pass<&sqlite3_io_methods::xSync, int>,
    pass<&sqlite3_io_methods::xFileSize, sqlite3_int64*>,
    pass<&sqlite3_io_methods::xLock, int>,
    pass<&sqlite3_io_methods::xUnlock, int>,
    pass<&sqlite3_io_methods::xCheckReservedLock, int*>,
    pass<&sqlite3_io_methods::xFileControl, int, void*>,
    pass<&sqlite3_io_methods::xSectorSize>,
    pass<&sqlite3_io_methods::xDeviceCharacteristics>,
    pass<&sqlite3_io_methods::xShmMap, int, int, int, void volatile**>,
    pass<&sqlite3_io_methods::xShmLock, int, int, int>,
    barrier,
    pass<&sqlite3_io_methods::xShmUnmap, int>,
    nullptr,
    nullptr,
};

int open(sqlite3_vfs*, const char* name, sqlite3_file* x, int flags, int* out_flags) {
  if ((flags & SQLITE_OPEN_WAL) != 0)
    return open_gathered_log(base_vfs(), name, x, flags, out_flags);
  // Temporary files are the business of the layer below alone.
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
    return base_vfs()->xOpen(base_vfs(), name, x, flags, out_flags);
  auto self = reinterpret_cast<file*>(x);
  self->head.pMethods = nullptr;
  auto code = base_vfs()->xOpen(base_vfs(), name, self->below(), flags, out_flags);
  // With methods set SQLite calls `xClose`, also after a failed open.
  if (self->below()->pMethods)
    self->head.pMethods = &methods;
  return code;
}

} // namespace

void scrub_page(unsigned char* page, size_t size, bool first) {
  auto head = first ? size_t{100} : 0;
  auto type = page[head];
  bool leaf = type == 10 || type == 13;
  if (!leaf && type != 2 && type != 5)
    return;
  auto cells = number_at(page + head + 3);
  auto content = number_at(page + head + 5);
  if (content == 0)
    content = 65'536;
  auto pointers = head + (leaf ? 8 : 12);
  auto free_from = pointers + 2 * cells;
  if (free_from > content || content > size)
    return;
  for (size_t i = 0; i < cells; ++i) {
    auto cell = number_at(page + pointers + 2 * i);
    if (cell < content || cell >= size)
      return;
  }
  std::memset(page + free_from, 0, content - free_from);
  if (auto block = number_at(page + head + 1); block >= content)
    scrub_free_blocks(page, size, block);
}

const char* scrubbing_vfs() {
  static constexpr auto name = "sotto-scrubbing";
  static auto layer = [] {
    auto result = *base_vfs();
    result.szOsFile += std::max(static_cast<int>(sizeof(file)), gathered_log_bytes());
    result.pNext = nullptr;
    result.zName = name;
    result.xOpen = open;
    return result;
  }();
  static auto code = sqlite3_vfs_register(&layer, 0);
  return code == SQLITE_OK ? name : nullptr;
}

} // namespace sotto::sqlite
