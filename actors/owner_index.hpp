#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/lexical_index.hpp"
#include "actors/row_table.hpp"
#include "actors/vector_rows.hpp"
#include "messages/memory.hpp"

namespace sotto {

/// One owner's memories with exact hybrid search. Knows no actor, clock or disk.
///
/// Every memory's score is computed: BM25 over stems scaled to its maximum, plus 0.7 of the cosine
/// of the embeddings (kept in eight bits a number), plus shares of the scores of the neighbouring
/// lines of the same conversation (0.35 one away, 0.15 two away), plus a bonus for lines of a
/// speaker whom the question names. An owner's memories are few, so this takes microseconds and
/// misses nothing; an approximate index would save nothing and lose some. Not thread-safe.
class owner_index {
public:
  /// Adds a memory with its embedding (empty: found by words alone; all embeddings of an owner have
  /// one length, others are treated as empty). The id must be new and `seq` larger than all before.
  void add(memory x, const std::vector<float>& vector);

  /// Up to `most` memories without an embedding, oldest first, but for those `seq`s.
  std::vector<const memory*> without_vector(size_t most,
                                            const std::unordered_set<uint64_t>& but) const;

  /// Gives a memory its embedding; false if there is no such memory, or the length is not that of
  /// the others.
  bool set_vector(uint64_t seq, const std::vector<float>& vector);

  /// Removes a memory and overwrites its text; false if there is none with this id.
  bool remove(const std::string& id);

  /// Nothing if there is none. Valid until the next change.
  const memory* find(const std::string& id) const;

  /// The memory at the place `seq`; nothing if there is none. Valid until the next change.
  const memory* at(uint64_t seq) const;

  /// The best `query.k` memories of those that pass `at` and `where`, best first.
  std::vector<recalled> search(const memory_query& query) const;

  /// The last `n` lines of a conversation, oldest first.
  std::vector<memory> recent(const std::string& conversation, size_t n) const;

  /// One page in order of arrival; from the start if `after` is unknown.
  memory_page page(const std::string& after, size_t limit) const;

  size_t size() const { return rows_.size() - dead_; }

  /// The `seq` for the next memory.
  uint64_t next_seq() const { return last_seq_ + 1; }

  /// Memory held, roughly (bytes).
  size_t bytes() const;

private:
  std::vector<memory>::const_iterator place_of(uint64_t seq) const;
  /// `row_table::none` if there is none.
  uint32_t row_of(const std::string& id) const;

  /// Beside each row. `before` and `after` are the rows of the lines next to it in the same
  /// conversation, counted from 1; 0 is none.
  struct link {
    uint32_t before = 0;
    uint32_t after = 0;
    uint32_t speaker = 0;
    bool embedded = false;
  };

  struct parts {
    std::vector<float> words, meaning, total;
    float best_words = 0;
  };

  parts score(const memory_query& query) const;
  void add_meaning(const memory_query& query, std::vector<float>& to) const;
  void rate(const memory_query& query, parts& x) const;
  void add_neighbours(const float* own, std::vector<float>& to) const;
  std::vector<uint32_t> best(const memory_query& query, const parts& scores) const;
  uint32_t speaker_number(const std::string& name);
  std::vector<bool> speakers_named(const std::string& question) const;
  void fetch(const std::vector<uint32_t>& rows) const;
  recalled explain(const parts& scores, uint32_t i, float total) const;
  void compact();

  std::vector<memory> rows_;
  std::vector<link> links_;
  /// What scoring reads of every row: apart from the rest, or each would be a cache miss. 0 for a
  /// row that was removed, else 1; and part of a hash of its text.
  std::vector<float> alive_;
  std::vector<uint32_t> hashes_;
  lexical_index words_;
  /// Zeros where a memory has no embedding.
  vector_rows vectors_;
  row_table by_id_;
  std::unordered_map<std::string, uint32_t> last_line_;
  std::unordered_map<std::string, uint32_t> speakers_;
  /// Which speakers have a word in their name.
  std::unordered_map<std::string, std::vector<uint32_t>> named_by_;
  /// What few other words have in common with those: most questions are done with it.
  uint64_t name_marks_ = 0;
  size_t dead_ = 0;
  /// Rows with an embedding; all, mostly.
  size_t embedded_ = 0;
  uint64_t last_seq_ = 0;
  size_t text_bytes_ = 0;
};

} // namespace sotto
