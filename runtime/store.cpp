#include "runtime/store.hpp"

#include <algorithm>

namespace sotto {

namespace {

template <class T>
void append(std::vector<T>& to, std::vector<T>& from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

} // namespace

caf::expected<memory_write> store_view::load(const owner_key& owner) {
  auto result = load_part(owner, 0);
  if (!result)
    return result;
  for (auto more = result->memories.size() >= part_rows; more;) {
    auto part = load_part(owner, result->memories.back().seq);
    if (!part)
      return part;
    more = part->memories.size() >= part_rows;
    append(result->memories, part->memories);
    append(result->vectors, part->vectors);
    append(result->authors, part->authors);
  }
  return result;
}

} // namespace sotto
