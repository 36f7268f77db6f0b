#include "actors/vector_rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <immintrin.h>

namespace sotto {

namespace {

/// Numbers that are multiplied at a time.
constexpr size_t step = 16;
constexpr float largest_kept = 127;

/// `n` is a multiple of `step`.
using sum_function = int32_t (*)(const int8_t*, const int16_t*, size_t);

int32_t sum_plain(const int8_t* x, const int16_t* y, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i)
    sum += int32_t{x[i]} * int32_t{y[i]};
  return sum;
}

__attribute__((target("avx2"))) int32_t sum_avx2(const int8_t* x, const int16_t* y, size_t n) {
  auto sums = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += step) {
    auto a = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
    auto b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + i));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
  }
  auto half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(half);
}

const sum_function sum_of = __builtin_cpu_supports("avx2") ? sum_avx2 : sum_plain;

float largest_of(std::span<const float> x) {
  auto result = 0.0F;
  for (auto y : x)
    result = std::max(result, std::abs(y));
  // What is no number, or none that can be multiplied, is like nothing.
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
  for (size_t i = 0; i < x.size(); ++i)
    to[i] = static_cast<T>(std::lrint(std::clamp(x[i] / scale, -most, most)));
  return scale;
}

} // namespace

void vector_rows::set_dimension(size_t n) {
  dimension_ = n;
  stride_ = (n + step - 1) / step * step;
  numbers_.assign(count_ * stride_, 0);
  scales_.assign(count_, 0);
}

void vector_rows::add() {
  ++count_;
  if (dimension_ == 0)
    return;
  numbers_.resize(count_ * stride_);
  scales_.push_back(0);
}

void vector_rows::set(size_t row, std::span<const float> x) {
  scales_[row] = to_whole(x, largest_kept, numbers_.data() + row * stride_);
}

std::vector<float> vector_rows::get(size_t row) const {
  std::vector<float> result(dimension_);
  for (size_t i = 0; i < dimension_; ++i)
    result[i] = static_cast<float>(numbers_[row * stride_ + i]) * scales_[row];
  return result;
}

void vector_rows::clear(size_t row) {
  if (dimension_ == 0)
    return;
  std::fill_n(numbers_.data() + row * stride_, stride_, int8_t{0});
  scales_[row] = 0;
}

void vector_rows::multiply(std::span<const float> x, std::span<float> to) const {
  // As large as the sums of a row allow.
  auto most = std::min<float>(std::numeric_limits<int16_t>::max(),
                              static_cast<float>(std::numeric_limits<int32_t>::max() / 2)
                                  / (largest_kept * static_cast<float>(stride_)));
  std::vector<int16_t> with(stride_);
  auto scale = to_whole(x, std::floor(most), with.data());
  for (size_t i = 0; i < count_; ++i)
    to[i] = static_cast<float>(sum_of(numbers_.data() + i * stride_, with.data(), stride_))
            * (scale * scales_[i]);
}

} // namespace sotto
