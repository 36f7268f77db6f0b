#pragma once

#include "messages/error.hpp"
#include "runtime/postgres.hpp"

namespace sotto {

/// The newest schema of PostgreSQL this release knows.
int64_t newest_postgres_schema();

/// Makes the schema `db.to().schema` where it is missing and brings it up to date, in one
/// transaction; several nodes may do so at once. Refuses, with nothing changed, a newer schema than
/// this release knows, one of another program, and one made for another number of partitions.
failure migrate(postgres::connection& db, uint32_t partitions);

} // namespace sotto
