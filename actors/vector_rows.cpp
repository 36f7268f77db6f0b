#include "actors/vector_rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include <immintrin.h>

namespace sotto {

namespace {

/// Rows of a block, and numbers of a row that stand together in it.
constexpr size_t block = 16;
constexpr size_t pair = 2;
constexpr float largest_kept = 127;

/// Products of a block's rows with `y`, which has `pairs` pairs. All additions are of whole numbers
/// that cannot overflow: every variant has the same results.
using block_function = void (*)(const int8_t* x, const int16_t* y, size_t pairs, int32_t* to);

void block_plain(const int8_t* x, const int16_t* y, size_t pairs, int32_t* to) {
  std::fill_n(to, block, 0);
  for (; pairs > 0; --pairs, y += pair)
    for (size_t row = 0; row < block; ++row, x += pair)
      to[row] += int32_t{x[0]} * int32_t{y[0]} + int32_t{x[1]} * int32_t{y[1]};
}

__attribute__((target("avx2"))) void block_avx2(const int8_t* x, const int16_t* y, size_t pairs,
                                                int32_t* to) {
  auto low = _mm256_setzero_si256(), high = low;
  for (; pairs > 0; --pairs, y += pair, x += pair * block) {
    int32_t both = 0;
    std::memcpy(&both, y, sizeof(both));
    auto with = _mm256_set1_epi32(both);
    auto* at = reinterpret_cast<const __m128i*>(x);
    auto first = _mm256_cvtepi8_epi16(_mm_loadu_si128(at));
    auto second = _mm256_cvtepi8_epi16(_mm_loadu_si128(at + 1));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(first, with));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(second, with));
  }
  auto* out = reinterpret_cast<__m256i*>(to);
  _mm256_storeu_si256(out, low);
  _mm256_storeu_si256(out + 1, high);
}

const block_function multiply_block = __builtin_cpu_supports("avx2") ? block_avx2 : block_plain;

/// The same of one row whose numbers lie one after another.
int32_t sum_of(const int8_t* x, const int16_t* y, size_t n) {
  // Four sums, or each addition would wait for the one before.
  std::array<int32_t, 4> sums{};
  size_t i = 0;
  for (; i + sums.size() <= n; i += sums.size())
    for (size_t j = 0; j < sums.size(); ++j)
      sums[j] += int32_t{x[i + j]} * int32_t{y[i + j]};
  for (; i < n; ++i)
    sums[0] += int32_t{x[i]} * int32_t{y[i]};
  return sums[0] + sums[1] + sums[2] + sums[3];
}

/// Numbers that are looked at together.
constexpr size_t lanes = 4;

float largest_of(std::span<const float> x) {
  auto four = _mm_setzero_ps();
  size_t i = 0;
  // What is no number is left out: of two the second is taken then.
  for (; i + lanes <= x.size(); i += lanes)
    four = _mm_max_ps(_mm_andnot_ps(_mm_set1_ps(-0.0F), _mm_loadu_ps(x.data() + i)), four);
  std::array<float, lanes> each{};
  _mm_storeu_ps(each.data(), four);
  auto result = *std::max_element(each.begin(), each.end());
  for (; i < x.size(); ++i)
    result = std::max(result, std::abs(x[i]));
  // What cannot be multiplied is like nothing.
  return std::isfinite(result) ? result : 0;
}

/// As whole numbers up to `most`; returns what they are multiples of.
template <class T>
float to_whole(std::span<const float> x, float most, T* to) {
  auto largest = largest_of(x);
  auto scale = largest / most;
  if (scale < std::numeric_limits<float>::min()) {
    std::fill_n(to, x.size(), T{0});
    return 0;
  }
  auto four = [&](__m128 y, size_t count, T* at) {
    auto within = _mm_min_ps(_mm_set1_ps(most), _mm_div_ps(y, _mm_set1_ps(scale)));
    auto whole = _mm_cvtps_epi32(_mm_max_ps(_mm_set1_ps(-most), within));
    std::array<int32_t, lanes> each{};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(each.data()), whole);
    for (size_t i = 0; i < count; ++i)
      at[i] = static_cast<T>(each[i]);
  };
  size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    four(_mm_loadu_ps(x.data() + i), lanes, to + i);
  std::array<float, lanes> rest{};
  std::copy(x.begin() + static_cast<std::ptrdiff_t>(i), x.end(), rest.begin());
  four(_mm_loadu_ps(rest.data()), x.size() - i, to + i);
  return scale;
}

} // namespace

void vector_rows::set_dimension(size_t n) {
  dimension_ = n;
  stride_ = (n + pair - 1) / pair * pair;
  numbers_.assign(count_ * stride_, 0);
  scales_.assign(count_, 0);
}

bool vector_rows::interleaved(size_t row) const {
  return count_ - row / block * block >= block;
}

size_t vector_rows::first_of(size_t row) const {
  return interleaved(row) ? row / block * block * stride_ + row % block * pair : row * stride_;
}

size_t vector_rows::step_of(size_t row) const {
  return interleaved(row) ? pair * block : pair;
}

void vector_rows::add() {
  ++count_;
  if (dimension_ == 0)
    return;
  numbers_.resize(count_ * stride_);
  scales_.push_back(0);
  if (count_ % block == 0)
    interleave_last();
}

void vector_rows::interleave_last() {
  auto first = count_ - block;
  auto* at = numbers_.data() + first * stride_;
  std::vector<int8_t> rows(at, at + block * stride_);
  for (size_t i = 0; i < block; ++i)
    put(first + i, rows.data() + i * stride_);
}

void vector_rows::put(size_t row, const int8_t* x) {
  auto* to = numbers_.data() + first_of(row);
  auto step = step_of(row);
  for (size_t i = 0; i < stride_; i += pair, to += step)
    std::copy_n(x + i, pair, to);
}

void vector_rows::set(size_t row, std::span<const float> x) {
  std::vector<int8_t> whole(stride_);
  scales_[row] = to_whole(x, largest_kept, whole.data());
  put(row, whole.data());
}

std::vector<float> vector_rows::get(size_t row) const {
  std::vector<float> result(dimension_);
  const auto* at = numbers_.data() + first_of(row);
  auto step = step_of(row);
  for (size_t i = 0; i < dimension_; ++i) {
    auto place = i / pair * step + i % pair;
    result[i] = static_cast<float>(at[place]) * scales_[row];
  }
  return result;
}

void vector_rows::clear(size_t row) {
  if (dimension_ == 0)
    return;
  std::vector<int8_t> nothing(stride_);
  put(row, nothing.data());
  scales_[row] = 0;
}

void vector_rows::multiply(std::span<const float> x, std::span<float> to) const {
  // As large as the sums of a row allow.
  auto most = std::min<float>(std::numeric_limits<int16_t>::max(),
                              static_cast<float>(std::numeric_limits<int32_t>::max() / 2)
                                  / (largest_kept * static_cast<float>(stride_)));
  std::vector<int16_t> with(stride_);
  auto scale = to_whole(x, std::floor(most), with.data());
  std::array<int32_t, block> sums;
  size_t i = 0;
  for (; i + block <= count_; i += block) {
    multiply_block(numbers_.data() + i * stride_, with.data(), stride_ / pair, sums.data());
    for (size_t j = 0; j < block; ++j)
      to[i + j] = static_cast<float>(sums[j]) * (scale * scales_[i + j]);
  }
  for (; i < count_; ++i)
    to[i] = static_cast<float>(sum_of(numbers_.data() + i * stride_, with.data(), stride_))
            * (scale * scales_[i]);
}

} // namespace sotto
