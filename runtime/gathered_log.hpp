#pragma once

#include <sqlite3.h>

namespace sotto::sqlite {

/// Bytes of SQLite's file structure for a gathered log, without those of the layer below.
int gathered_log_bytes();

/// Opens a write-ahead log over `below` whose consecutive writes reach the system as one, at the
/// latest when the log is synced, read, measured or cut.
///
/// SQLite writes two pieces for every page of a commit (the frame's header, the page); a commit of
/// thirty turns is two hundred system calls that delay each other's neighbours. Other connections
/// read a frame only after the writer has published it in the shared index, and with
/// `synchronous=FULL` it syncs the log before ("WAL-mode File Format" in
/// sqlite.org/walformat.html): what is held back here nobody can miss.
/// Use only with `synchronous=FULL`. Errors of a delayed write are those of the call that made it.
int open_gathered_log(sqlite3_vfs* below, const char* name, sqlite3_file* x, int flags,
                      int* out_flags);

} // namespace sotto::sqlite
