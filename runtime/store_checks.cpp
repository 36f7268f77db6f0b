#include "runtime/store_checks.hpp"

#include <fmt/format.h>

namespace sotto {

namespace {

constexpr size_t max_field = 256 << 20;

} // namespace

failure check(const store_write& x) {
  if (x.what != store_write::kind::insert)
    return {};
  if (!x.vectors.empty() && x.vectors.size() != x.memories.size())
    return {ec::invalid, "there must be no vectors or one a memory", "vectors"};
  if (!x.authors.empty() && x.authors.size() != x.memories.size())
    return {ec::invalid, "there must be no authors or one a memory", "authors"};
  for (auto& m : x.memories) {
    if (m.id.empty())
      return {ec::invalid, "a memory without an id cannot be stored", "id"};
    if (m.seq == 0 || m.seq > INT64_MAX)
      return {ec::invalid, "a memory without a place in the order of arrival cannot be stored",
              "seq"};
    if (m.text.size() + m.metadata.size() + m.id.size() > max_field)
      return {ec::too_large, fmt::format("a memory is larger than {} bytes", max_field), "text"};
  }
  return {};
}

std::string stored_author(const std::string& tenant, const std::string& author) {
  return author.empty() ? std::string{} : tenant + '/' + author;
}

std::string read_author(std::string_view stored) {
  auto slash = stored.find('/');
  return std::string{slash == std::string_view::npos ? std::string_view{}
                                                     : stored.substr(slash + 1)};
}

} // namespace sotto
