#pragma once

#include "config/store_options.hpp"
#include "runtime/fence.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// Opens the store in the schema `options.schema` of the PostgreSQL database `options.url`, making
/// the schema where it is missing. Fails with `ec::storage_failed`, and has then changed nothing,
/// if the schema is another program's, of a newer release or divided into another number of
/// partitions; with `ec::unavailable` if for `options.write_patience` the database could not be
/// reached or another node used the schema.
///
/// With a `fence` several nodes share the schema: a write of a partition that the fence, or the
/// table `partitions`, does not give to this node fails with `ec::unavailable` and changes nothing.
/// Whoever claims a partition waits for the transactions that write it. Without a fence the store
/// is this node's alone.
///
/// A batch is one transaction of few statements, sent at once. When the connection is lost, `apply`
/// opens it again and finds out by `commit_marker` whether the batch was committed; if not, it is
/// done again. It gives up after `options.write_patience`: then the writes fail with
/// `ec::unavailable`, or with `ec::timeout` where it could not be found out. In that case views are
/// closed to readers until it is.
caf::expected<std::unique_ptr<store>>
open_postgres_store(store_options options, std::shared_ptr<const fence> fence = nullptr);

} // namespace sotto
