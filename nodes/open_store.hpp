#pragma once

#include "config/store_options.hpp"
#include "runtime/fence.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// Opens the engine that the options name. With a `fence`, which only PostgreSQL has a use for,
/// several nodes share the store.
caf::expected<std::unique_ptr<store>> open_store(const store_options& options,
                                                 std::shared_ptr<const fence> fence = nullptr);

} // namespace sotto
