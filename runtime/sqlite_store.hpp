#pragma once

#include "config/store_options.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// Opens the embedded store in `options.folder`, creating both where they are missing, and holds
/// the folder until it is closed. Fails with `ec::storage_failed`, and has then changed nothing,
/// if another process has the folder, if it cannot be written, or if the database is damaged, of
/// another program or of a newer release.
///
/// SQLite with write-ahead log and synchronous=FULL: a commit is one fsync of the log. The
/// committing connection never checkpoints; `store_view::maintain` does. `secure_delete` is ON
/// (not FAST, which leaves the content of freed pages) and pages go to the file through
/// `scrubbing_vfs`: of what was removed no byte stays in the database, and the log, which still has
/// it, is truncated by the next `maintain`, `close` or open.
caf::expected<std::unique_ptr<store>> open_sqlite_store(store_options options);

} // namespace sotto
