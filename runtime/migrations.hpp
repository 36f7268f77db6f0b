#pragma once

#include "messages/error.hpp"
#include "runtime/sqlite.hpp"

namespace sotto {

/// The newest schema this release knows.
int64_t newest_schema();

/// Brings the schema of `db` up to date, each step in a transaction of its own. Refuses, with
/// nothing changed, a newer schema than this release knows and a database of another program.
failure migrate(sqlite::connection& db);

} // namespace sotto
