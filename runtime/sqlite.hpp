#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "messages/error.hpp"

namespace sotto::sqlite {

/// A connection. All results are SQLite's own codes.
class connection {
public:
  connection() = default;
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(); }

  /// Opens `path` for reading and writing; the file must exist.
  int open(const std::string& path);
  /// All statements must be gone.
  void close();
  /// Runs statements without parameters and results.
  int exec(const char* sql);
  /// The first column of the first row; `fallback` where there is none or it fails.
  int64_t number(const char* sql, int64_t fallback);

  sqlite3* handle() { return handle_; }
  /// The file, and what is wrong with it after a call that returned `code`, and what to do.
  failure explain(int code) const;

private:
  sqlite3* handle_ = nullptr;
  std::string path_;
};

/// A prepared statement. Bound texts are not copied: they must live until `reset`.
class statement {
public:
  statement() = default;
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() { finish(); }

  int prepare(connection& to, std::string_view sql) {
    finish();
    return sqlite3_prepare_v3(to.handle(), sql.data(), static_cast<int>(sql.size()),
                              SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  }

  void finish() {
    sqlite3_finalize(handle_);
    handle_ = nullptr;
  }

  int bind(int at, int64_t x) { return sqlite3_bind_int64(handle_, at, x); }
  int bind(int at, std::string_view x) {
    return sqlite3_bind_text64(handle_, at, x.data() ? x.data() : "", x.size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  int bind_blob(int at, const void* data, size_t bytes) {
    return sqlite3_bind_blob64(handle_, at, data, bytes, SQLITE_STATIC);
  }
  int bind_null(int at) { return sqlite3_bind_null(handle_, at); }

  int step() { return sqlite3_step(handle_); }
  void reset() { sqlite3_reset(handle_); }
  /// Steps a statement that returns no rows, and resets it. SQLITE_OK where it was done.
  int run() {
    auto code = step();
    reset();
    return code == SQLITE_DONE ? SQLITE_OK : code;
  }

  int64_t number(int column) { return sqlite3_column_int64(handle_, column); }
  /// Valid until the next step.
  std::string_view text(int column) {
    auto data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    return {data ? data : "", static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
  }
  std::string_view blob(int column) {
    auto data = static_cast<const char*>(sqlite3_column_blob(handle_, column));
    return {data ? data : "", static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
  }

private:
  sqlite3_stmt* handle_ = nullptr;
};

} // namespace sotto::sqlite
