#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace sotto {

/// An inverted index over the terms of rows 0, 1, 2, ... with BM25 scores (Robertson and Zaragoza,
/// 2009; k1 0.9, b 0.4, as measured best on chat logs).
class lexical_index {
public:
  /// Adds the next row.
  void add(std::span<const uint64_t> terms);

  /// Adds each row's BM25 score for the query's terms (each counted once) to `scores`, which has
  /// one element a row. Returns the largest score added, 0 if no row has any of the terms.
  float score(std::span<const uint64_t> terms, std::vector<float>& scores) const;

  size_t rows() const { return lengths_.size(); }

  /// Memory held, roughly (bytes).
  size_t bytes() const { return bytes_; }

private:
  struct posting {
    uint32_t row;
    uint32_t count;
  };

  /// Most terms are said once: their only place lies within.
  struct places {
    posting first;
    std::vector<posting> more;
  };

  std::unordered_map<uint64_t, places> postings_;
  std::vector<uint32_t> lengths_;
  uint64_t total_length_ = 0;
  size_t bytes_ = 0;
};

} // namespace sotto
