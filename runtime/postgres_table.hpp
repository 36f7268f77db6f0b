#pragma once

#include <span>
#include <vector>

#include "messages/store.hpp"
#include "runtime/postgres.hpp"

namespace sotto {

/// Writes that may be done in any order: of each owner there are some of one kind only.
struct write_stage {
  std::vector<const store_write*> of(store_write::kind what) const;
  std::vector<const store_write*> writes;
};

/// Writes in the order in which they are to be done, put together where that changes nothing.
std::vector<write_stage> staged(std::span<const store_write* const> writes);

/// The statements that change the memories in PostgreSQL: several writes a statement, so that a
/// batch costs few of them. Transactions are the caller's.
class postgres_table {
public:
  /// `partitions`: into which owners are divided. `space`: the number of the embedder whose vectors
  /// are stored; 0 for none.
  postgres_table(uint32_t partitions, int64_t space) : partitions_(partitions), space_(space) {}

  /// Queues what makes the changes. After a failure the caller rolls all of them back.
  void queue(postgres::connection& db, std::span<const store_write* const> writes) const;

private:
  void queue_inserts(postgres::connection& db, std::span<const store_write* const> writes) const;
  void queue_owners(postgres::connection& db, std::span<const store_write* const> writes) const;
  void queue_memories(postgres::connection& db, std::span<const store_write* const> writes) const;
  void queue_embeds(postgres::connection& db, std::span<const store_write* const> writes) const;

  uint32_t partitions_;
  int64_t space_;
};

} // namespace sotto
