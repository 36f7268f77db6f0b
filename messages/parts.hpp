#pragma once

#include <cstddef>

namespace sotto {

/// Most memories of an owner that are read, and taken into an index, at a time: some milliseconds
/// each, in which nobody else is served.
inline constexpr size_t part_rows = 1000;

} // namespace sotto
