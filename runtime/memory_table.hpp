#pragma once

#include <array>
#include <span>
#include <unordered_map>

#include "messages/store.hpp"
#include "runtime/sqlite.hpp"

namespace sotto {

/// The statements that change the memories of a SQLite store. All results are SQLite's codes;
/// transactions are the caller's.
class memory_table {
public:
  /// `partitions`: into which owners are divided. `cache`: owners' numbers kept, at most.
  memory_table(uint32_t partitions, size_t cache) : partitions_(partitions), cache_(cache) {}

  /// `space`: the number of the embedder whose vectors are stored.
  int prepare(sqlite::connection& db, int64_t space);
  void finish();

  /// Makes one change. After a failure a part of it may be there: the caller rolls back.
  int apply(const store_write& x);

  /// Tells that a transaction, or what was done for one owner in it, was rolled back.
  void lose() { numbers_.clear(); }
  void lose(const owner_key& owner) { numbers_.erase(owner); }

private:
  int insert(const store_write& x);
  int insert_row(int64_t number, const memory& m, std::span<const float> vector,
                 const std::string& author);
  int put_turns(int64_t number, const store_write& x);
  int put_summaries(int64_t number, const store_write& x);
  int embed(const store_write& x);
  int remove(const store_write& x);
  int forget(const store_write& x);
  /// The owner's number; 0 for an unknown one that is not to be added.
  int number_of(const owner_key& owner, bool add, int64_t& number);
  int find_number(const owner_key& owner, bool add, int64_t& number);

  uint32_t partitions_;
  size_t cache_;
  sqlite3* db_ = nullptr;
  int64_t space_ = 0;
  sqlite::statement find_owner_, add_owner_, add_memory_, put_turn_, drop_turns_, put_summary_,
      embed_, remove_, drop_summaries_;
  /// Each removes an owner, told by its number, from one table.
  std::array<sqlite::statement, 4> forget_;
  std::unordered_map<owner_key, int64_t> numbers_;
};

} // namespace sotto
