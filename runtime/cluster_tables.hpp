#pragma once

#include "messages/error.hpp"
#include "runtime/postgres.hpp"

namespace sotto {

/// Makes the tables of the cluster, and columns of theirs, where they are missing in the
/// connection's schema `schema`; within a transaction that holds the schema's lock.
failure make_cluster_tables(postgres::connection& db, const std::string& schema,
                            uint32_t partitions);

} // namespace sotto
