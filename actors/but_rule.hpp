#pragma once

#include <cstddef>
#include <vector>

namespace sotto {

/// VADER's rule of "but": what stands before it counts half, what follows one and a half times.
/// The reference (vaderSentiment 3.3.2) walks the list while it changes it, and each time changes
/// the first element that is equal to the one it looks at; so does this, in O(n log n) where the
/// reference needs O(n^2). `but` is the place of the first "but".
void apply_but_rule(size_t but, std::vector<double>& valences);

} // namespace sotto
