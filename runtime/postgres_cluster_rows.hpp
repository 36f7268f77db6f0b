#pragma once

#include <span>

#include "runtime/cluster_store.hpp"
#include "runtime/postgres.hpp"

namespace sotto {

/// How a node's load stands in its row (JSON).
std::string text_of(const cluster_load& load);

/// A row of name, incarnation, http, link, roles (with commas), capacity, version, protocol,
/// draining, load, what is left of the lease (ns), and native.
cluster_member read_member(const postgres::result& from, int row);

/// A row of number, node, incarnation, epoch, wanted, and its age (ns).
partition_row read_partition(const postgres::result& from, int row);

/// Appends two arrays: numbers and epochs.
postgres::parameters& add(postgres::parameters& to, std::span<const partition_epoch> partitions);

} // namespace sotto
