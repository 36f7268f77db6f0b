#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <caf/expected.hpp>

#include "runtime/mapped_file.hpp"

namespace sotto {

/// Sentence vectors from word vectors: the mean of the words' unit vectors weighted by a/(a+p)
/// (SIF; Arora, Liang, Ma, ICLR 2017; a = 1e-3, p by Zipf's law from the word's rank), without the
/// fixed common component, of unit length. A text without a known word gives zeros. Immutable; any
/// thread may use it.
class sentence_embedder {
public:
  /// Maps `words.bin`. Fails with `ec::not_found`, or `ec::invalid` for a file that is none of
  /// ours.
  static caf::expected<std::shared_ptr<const sentence_embedder>> load(const std::string& path);

  explicit sentence_embedder(std::shared_ptr<const mapped_file> file) : file_(std::move(file)) {}

  size_t dimensions() const { return dimensions_; }

  std::vector<float> embed(std::string_view text) const;

  /// The same into `to`, which has `dimensions()` elements.
  void embed(std::string_view text, std::span<float> to) const;

private:
  struct slot {
    uint64_t hash = 0;
    uint32_t word = 0; // 1-based; 0: free
  };

  bool parse();
  /// 0: none.
  uint32_t find(uint64_t hash) const;
  /// Adds the weighted vectors of words; false if none is known.
  bool add(std::span<const uint64_t> hashes, std::span<float> to) const;

  std::shared_ptr<const mapped_file> file_;
  size_t dimensions_ = 0;
  const int8_t* vectors_ = nullptr;
  std::vector<float> common_;
  /// A word's weight times the scale of its row.
  std::vector<float> weights_;
  std::vector<slot> slots_;
};

} // namespace sotto
