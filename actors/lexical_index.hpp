#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sotto {

/// An inverted index over the terms of rows 0, 1, 2, ... with BM25 scores
/// (Robertson and Zaragoza, 2009; k1 0.9, b 0.4, as measured best on chat
/// logs).
class lexical_index {
public:
  /// Adds the next row.
  void add(std::span<const uint64_t> terms);

  /// Adds each row's BM25 score for the query's terms (each counted once) to
  /// `scores`, which has one 0 a row. Returns the largest of them, 0 if no row
  /// has any of the terms.
  float score(std::span<const uint64_t> terms, std::vector<float>& scores) const;

  size_t rows() const { return lengths_.size(); }

  /// Memory held, roughly (bytes).
  size_t bytes() const;

private:
  struct posting {
    uint32_t row;
    uint32_t count;
  };

  /// Most terms are said once: their only place lies within.
  struct places {
    uint64_t term;
    posting first;
    std::vector<posting> more;
  };

  /// Where in `places_` a term is, counted from 1; 0: no term. With a part of
  /// the hash, so that hardly any other term is looked at.
  struct slot {
    uint32_t hash = 0;
    uint32_t place = 0;
  };

  const places* find(uint64_t term) const;
  void fetch(std::span<const uint64_t> terms) const;
  size_t slot_of(uint64_t term) const;
  void grow();

  std::vector<places> places_;
  /// As many as a power of two; a term is in the first free one from that on
  /// which it names.
  std::vector<slot> slots_;
  std::vector<uint32_t> lengths_;
  uint64_t total_length_ = 0;
  size_t posting_bytes_ = 0;
};

} // namespace sotto
