#pragma once

#include "runtime/commit_marker.hpp"
#include "runtime/postgres_link.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// What the committing connection and the views of a PostgreSQL store share.
struct postgres_shared {
  store_options options;
  /// The number of `options.space`; 0 for none.
  int64_t space = 0;
  commit_marker marker;
};

/// A reading connection to a PostgreSQL store. While it is not known whether the last transaction
/// was committed it finds that out first, so that nobody reads what may be about to change.
class postgres_view : public store_view {
public:
  explicit postgres_view(std::shared_ptr<postgres_shared> shared);

  failure open();
  caf::expected<memory_write> load_part(const owner_key& owner, uint64_t after) override;
  caf::expected<std::vector<spoken_lines>> spoken(const spoken_by& what) override;
  caf::expected<std::vector<owner_vectors>> owners(const owner_key& after, size_t limit) override;
  caf::expected<std::vector<std::string>> spaces() override;
  /// PostgreSQL looks after itself; only a doubt is settled.
  failure maintain() override;

private:
  static failure prepare(postgres::connection& db);
  /// Queues what `ask` does and collects it, again while the connection is lost and there is time.
  template <class Ask>
  caf::expected<std::vector<postgres::result>> collected(Ask ask);

  std::shared_ptr<postgres_shared> shared_;
  postgres_link link_;
};

} // namespace sotto
