#pragma once

#include <cstddef>

namespace sotto {

/// `to[i]` becomes the product of row `i` with `x`: `count` rows of `n` floats each, one after
/// another. On one thread, with what the processor offers.
void dot_products(const float* rows, size_t count, size_t n, const float* x, float* to);

} // namespace sotto
