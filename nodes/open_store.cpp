#include "nodes/open_store.hpp"

#include "runtime/postgres_store.hpp"
#include "runtime/sqlite_store.hpp"

namespace sotto {

caf::expected<std::unique_ptr<store>> open_store(const store_options& options,
                                                 std::shared_ptr<const fence> fence) {
  if (options.url.empty())
    return open_sqlite_store(options);
  return open_postgres_store(options, std::move(fence));
}

} // namespace sotto
