#include "runtime/sqlite.hpp"

#include <fmt/format.h>

#include "runtime/scrubbing_vfs.hpp"

namespace sotto::sqlite {

namespace {

std::string_view advice(int code) {
  switch (code & 0xff) {
  case SQLITE_FULL:
    return "the disk is full; free space on it";
  case SQLITE_READONLY:
  case SQLITE_PERM:
  case SQLITE_CANTOPEN:
    return "the folder and its files must be readable and writable by the node's user";
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return "the database is damaged and was left as it is; stop the node, copy the folder, then "
           "restore a backup or recover it with 'sqlite3 FILE .recover'";
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return "another program holds the database; end it";
  case SQLITE_IOERR:
    return "the disk does not take or give data; see the system's log";
  default:
    return "see the system's log";
  }
}

} // namespace

int connection::open(const std::string& path) {
  close();
  path_ = path;
  auto code = sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                              scrubbing_vfs());
  if (handle_)
    sqlite3_extended_result_codes(handle_, 1);
  return code;
}

void connection::close() {
  sqlite3_close(handle_);
  handle_ = nullptr;
}

int connection::exec(const char* sql) {
  return sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
}

int64_t connection::number(const char* sql, int64_t fallback) {
  statement query;
  if (query.prepare(*this, sql) != SQLITE_OK || query.step() != SQLITE_ROW)
    return fallback;
  return query.number(0);
}

failure connection::explain(int code) const {
  auto what = std::string{sqlite3_errstr(code)};
  // The connection's own words say more, where they are about this code.
  if (handle_ && sqlite3_extended_errcode(handle_) == code)
    what = sqlite3_errmsg(handle_);
  return {ec::storage_failed, fmt::format("{}: {} ({}): {}", path_, what, code, advice(code)), {}};
}

} // namespace sotto::sqlite
