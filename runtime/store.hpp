#pragma once

#include <memory>
#include <span>
#include <vector>

#include <caf/expected.hpp>

#include "messages/error.hpp"
#include "messages/parts.hpp"
#include "messages/reembed.hpp"
#include "messages/store.hpp"

namespace sotto {

/// A reading connection to a store. Used by one thread at a time.
class store_view {
public:
  virtual ~store_view() = default;

  /// The first memories of an owner behind the place `after`, in order of `seq`, as of the last
  /// commit: `part_rows` of them, or all that there are; nothing for an unknown owner. The part
  /// from the start (`after` 0) has the owner's turns and summaries too. `vectors` is as long as
  /// `memories`, an element is empty where none is stored; so are `authors`, which are empty where
  /// the owner is no group. Fails with `ec::storage_failed`, or with `ec::unavailable` where the
  /// database is gone; so do the others.
  virtual caf::expected<memory_write> load_part(const owner_key& owner, uint64_t after) = 0;

  /// Everything of an owner. Nobody may write to the owner meanwhile: its parts are of different
  /// commits.
  caf::expected<memory_write> load(const owner_key& owner);

  /// What a user said in the groups of a partition, what was answered, and what the companion said
  /// of its own accord after it; by group, as of the last commit. Reads the lines of those groups.
  virtual caf::expected<std::vector<spoken_lines>> spoken(const spoken_by& what) = 0;

  /// The owners behind `after` in order of tenant and owner, at most `limit`, each with the number
  /// of memories without a vector of the store's space. Reads their memories. Fails with
  /// `ec::storage_failed`.
  virtual caf::expected<std::vector<owner_vectors>> owners(const owner_key& after,
                                                           size_t limit) = 0;

  /// The embedders of which there are vectors, as `store_options::space` names them. Reads all
  /// memories. Fails with `ec::storage_failed`.
  virtual caf::expected<std::vector<std::string>> spaces() = 0;

  /// Work that is better done beside commits than in one, such as checkpoints. Takes up to the time
  /// of writing the whole log; does nothing when there is nothing to do. Fails with
  /// `ec::storage_failed`, also where it could not be done for long.
  virtual failure maintain() = 0;
};

/// Where memories are durable. Used by one thread at a time; views may be used by others meanwhile.
class store {
public:
  virtual ~store() = default;

  /// Applies the writes in their order, in one transaction. Returns one result a write: a failed
  /// write (`ec::invalid`, `ec::too_large`) changed nothing and takes no other with it; the others
  /// are durable when this returns. If the transaction itself fails, all fail with
  /// `ec::storage_failed`, or with `ec::unavailable` where the database is gone. After
  /// `ec::timeout` it is not known whether the write was done: what was loaded of its owner must be
  /// loaded anew, and `load` fails until it is known.
  virtual std::vector<failure> apply(std::span<const store_write> writes) = 0;

  /// A new reading connection. Must not outlive the store.
  virtual caf::expected<std::unique_ptr<store_view>> view() = 0;

  /// Flushes and releases the store; later calls of `apply` fail. Views must be gone.
  virtual void close() = 0;
};

} // namespace sotto
