#pragma once

#include "config/store_options.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// Opens the embedded store in `options.folder`, creating both where they are missing, and holds
/// the folder until it is closed. Fails with `ec::storage_failed`, and has then changed nothing,
/// if another process has the folder, if it cannot be written, or if the database is damaged, of
/// another program or of a newer release.
///
/// SQLite with write-ahead log and synchronous=FULL: a commit is one fsync of the log. Memories
/// and records of turns lie in order of arrival with an index by owner: a turn writes a page of the
/// index and a part of one of the table; a load reads a page for every turn where many owners spoke
/// at once.
///
/// The committing connection never checkpoints; `store_view::maintain` does, beside the commits. It
/// shuts them out only to move the last that came meanwhile, so that the next commit starts the log
/// anew in the same file. Where commits come faster than they are moved the log grows to
/// `restart_bytes` and by what is written while it is moved once; then commits wait for that. Where
/// a reader of another program is in the way they do not: the log grows until the reader ends, and
/// `maintain` fails from `restart_bytes` on.
///
/// `secure_delete` is ON (not FAST, which leaves the content of freed pages) and pages go to the
/// file through `scrubbing_vfs`: of what was removed no byte stays in the database, and the log,
/// which still has it, is truncated by the next `maintain`, `close` or open; `maintain` fails where
/// a reader of another program has kept it from that for long.
caf::expected<std::unique_ptr<store>> open_sqlite_store(store_options options);

} // namespace sotto
