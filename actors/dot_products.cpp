#include "actors/dot_products.hpp"

#include <immintrin.h>

namespace sotto {

namespace {

using dot_function = float (*)(const float*, const float*, size_t);

float dot_plain(const float* x, const float* y, size_t n) {
  auto sum = 0.0F;
  for (size_t i = 0; i < n; ++i)
    sum += x[i] * y[i];
  return sum;
}

// Four sums, as an addition takes four times as long as the next one may be begun.
__attribute__((target("avx2,fma"))) float dot_avx2(const float* x, const float* y, size_t n) {
  constexpr size_t lanes = 8, step = 4 * lanes;
  auto a = _mm256_setzero_ps(), b = a, c = a, d = a;
  auto add = [&](__m256 to, size_t i) __attribute__((target("avx2,fma"))) {
    return _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), to);
  };
  size_t i = 0;
  for (; i + step <= n; i += step) {
    a = add(a, i);
    b = add(b, i + lanes);
    c = add(c, i + 2 * lanes);
    d = add(d, i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes)
    a = add(a, i);
  a = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
  auto half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  half = _mm_add_ss(half, _mm_movehdup_ps(half));
  return _mm_cvtss_f32(half) + dot_plain(x + i, y + i, n - i);
}

const dot_function dot =
    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? dot_avx2 : dot_plain;

} // namespace

void dot_products(const float* rows, size_t count, size_t n, const float* x, float* to) {
  for (size_t i = 0; i < count; ++i)
    to[i] = dot(rows + i * n, x, n);
}

} // namespace sotto
