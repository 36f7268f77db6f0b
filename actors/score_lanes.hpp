#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <emmintrin.h>

namespace sotto {

// What recall's scores are made of, over arrays with a number for each row, four at a time.

inline constexpr float meaning_weight = 0.7F;
/// Of the score of the lines beside a line.
inline constexpr float one_away = 0.35F;
inline constexpr float two_away = 0.15F;

/// Numbers that are looked at together.
inline constexpr size_t lanes = 4;
/// Nothing, before the first row's score and behind the last one's.
inline constexpr size_t pad = 2;

/// What each row scores by itself.
inline void put_own_scores(const std::vector<float>& words, float scale,
                           const std::vector<float>& meaning, const std::vector<float>& alive,
                           float* to) {
  size_t i = 0;
  for (; i + lanes <= alive.size(); i += lanes) {
    auto said = _mm_mul_ps(_mm_loadu_ps(words.data() + i), _mm_set1_ps(scale));
    auto meant = _mm_mul_ps(_mm_set1_ps(meaning_weight),
                            _mm_max_ps(_mm_loadu_ps(meaning.data() + i), _mm_setzero_ps()));
    _mm_storeu_ps(to + i, _mm_mul_ps(_mm_loadu_ps(alive.data() + i), _mm_add_ps(said, meant)));
  }
  for (; i < alive.size(); ++i)
    to[i] = alive[i] * (words[i] * scale + meaning_weight * std::max(meaning[i], 0.0F));
}

/// The neighbours of a line are the rows beside it, where all rows are of one conversation. `own`
/// has `pad` more at both ends.
inline void add_rows_beside(const float* own, std::vector<float>& to) {
  auto sum = [](const float* x, std::ptrdiff_t away) {
    return _mm_add_ps(_mm_loadu_ps(x - away), _mm_loadu_ps(x + away));
  };
  size_t i = 0;
  for (; i + lanes <= to.size(); i += lanes) {
    auto* x = own + i;
    auto near = _mm_add_ps(_mm_loadu_ps(x), _mm_mul_ps(_mm_set1_ps(one_away), sum(x, 1)));
    _mm_storeu_ps(to.data() + i, _mm_add_ps(near, _mm_mul_ps(_mm_set1_ps(two_away), sum(x, 2))));
  }
  for (; i < to.size(); ++i) {
    auto* x = own + i;
    to[i] = x[0] + one_away * (x[-1] + x[1]) + two_away * (x[-2] + x[2]);
  }
}

/// Calls `take` with every place of `x` in `among`.
template <class F>
inline void each_equal(uint32_t x, const std::vector<uint32_t>& among, F take) {
  auto wanted = _mm_set1_epi32(static_cast<int32_t>(x));
  size_t i = 0;
  for (; i + lanes <= among.size(); i += lanes) {
    auto now = _mm_loadu_si128(reinterpret_cast<const __m128i*>(among.data() + i));
    if (_mm_movemask_epi8(_mm_cmpeq_epi32(now, wanted)) != 0)
      for (size_t j = i; j < i + lanes; ++j)
        if (among[j] == x)
          take(j);
  }
  for (; i < among.size(); ++i)
    if (among[i] == x)
      take(i);
}

/// The next place from `i` on where lanes begin of which one is at least `least`, or where fewer
/// are left than lanes.
inline size_t next_candidates(const std::vector<float>& x, size_t i, float least) {
  auto wanted = _mm_set1_ps(least);
  while (i + lanes <= x.size()
         && _mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(x.data() + i), wanted)) == 0)
    i += lanes;
  return i;
}

} // namespace sotto
