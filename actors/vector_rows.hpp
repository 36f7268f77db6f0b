#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sotto {

/// Vectors of one length, a row each, of which all are multiplied with another at once.
///
/// Sixteen rows are one block, in which the first two numbers of all rows come first, then the next
/// two: so products of sixteen rows grow side by side, and nothing is summed across a register. The
/// last rows, as long as they are fewer, lie one after another.
///
/// A number is kept in eight bits beside one scale a row (the largest number of the row is 127): a
/// question reads every vector of an owner, and with a few thousand of them how fast memory is
/// decides what that costs, also for whatever else the caches held. Of unit vectors a product is
/// off by less than a thousandth, typically (the bound for n numbers: sqrt(n) / 254 of the row's
/// largest).
class vector_rows {
public:
  /// Of every row; 0 until it is set.
  size_t dimension() const { return dimension_; }

  /// Once, before a row has anything but zeros.
  void set_dimension(size_t n);

  size_t size() const { return count_; }

  /// Adds a row of zeros.
  void add();

  /// `x` has `dimension()` numbers.
  void set(size_t row, std::span<const float> x);
  std::vector<float> get(size_t row) const;
  void clear(size_t row);

  /// `to[i]` becomes the product of row `i` with `x`, which has `dimension()` numbers. On one
  /// thread, with what the processor offers.
  void multiply(std::span<const float> x, std::span<float> to) const;

  /// Memory held, roughly (bytes).
  size_t bytes() const { return numbers_.size() + scales_.size() * sizeof(float); }

private:
  bool interleaved(size_t row) const;
  /// Where the first two numbers of a row are, and how far the next two are from there.
  size_t first_of(size_t row) const;
  size_t step_of(size_t row) const;
  /// `x` has as many bytes as a row.
  void put(size_t row, const int8_t* x);
  void interleave_last();

  size_t dimension_ = 0;
  /// Bytes a row: an even number, of which the last may be none of the row's.
  size_t stride_ = 0;
  size_t count_ = 0;
  std::vector<int8_t> numbers_;
  std::vector<float> scales_;
};

} // namespace sotto
