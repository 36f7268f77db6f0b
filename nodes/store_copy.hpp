#pragma once

#include <functional>

#include "config/store_options.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// How much was copied.
struct copy_counts {
  uint64_t owners = 0;
  uint64_t memories = 0;
  uint64_t vectors = 0;
  uint64_t turns = 0;
  uint64_t summaries = 0;
};

/// Copies everything of one store into another, of either engine, an owner at a time, and then
/// reads both again and compares them. Fails with `ec::invalid` where the target is not empty, and
/// with `ec::storage_failed` where the target does not hold the same in the end. `progress` is told
/// after each owner, and of the comparison too. Nobody else may use the stores meanwhile.
caf::expected<copy_counts>
copy_store(const store_options& from, const store_options& to,
           const std::function<void(std::string_view doing, const copy_counts&)>& progress);

} // namespace sotto
