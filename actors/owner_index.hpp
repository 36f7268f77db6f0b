#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/lexical_index.hpp"
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

  /// What scoring reads of every row: apart from the memories, or each would be a cache miss.
  /// `before` and `after` are the rows of the lines next to it in the same conversation, counted
  /// from 1; 0 is none, and row 0 of a table of scores is 0, so that nobody has to ask.
  struct link {
    uint32_t before = 0;
    uint32_t after = 0;
    uint32_t speaker = 0;
    /// 0 for a row that was removed.
    float alive = 1;
    uint64_t text_hash = 0;
    bool embedded = false;
  };

  struct parts {
    std::vector<float> words, meaning, total;
    float best_words = 0;
  };

  parts score(const memory_query& query) const;
  void add_meaning(const memory_query& query, std::vector<float>& to) const;
  void rate(const memory_query& query, parts& x) const;
  std::vector<uint32_t> best(const memory_query& query, const parts& scores) const;
  uint32_t speaker_number(const std::string& name);
  std::vector<bool> speakers_named(const std::string& question) const;
  recalled explain(const parts& scores, uint32_t i, float total) const;
  void compact();

  std::vector<memory> rows_;
  std::vector<link> links_;
  lexical_index words_;
  /// Zeros where a memory has no embedding.
  vector_rows vectors_;
  std::unordered_map<std::string, uint32_t> by_id_;
  std::unordered_map<std::string, uint32_t> last_line_;
  std::unordered_map<std::string, uint32_t> speakers_;
  /// Which speakers have a word in their name.
  std::unordered_map<std::string, std::vector<uint32_t>> named_by_;
  size_t longest_name_word_ = 0;
  size_t dead_ = 0;
  /// Rows with an embedding; all, mostly.
  size_t embedded_ = 0;
  uint64_t last_seq_ = 0;
  size_t text_bytes_ = 0;
};

} // namespace sotto
