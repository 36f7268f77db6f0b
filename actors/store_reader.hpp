#pragma once

#include <functional>
#include <memory>

#include "actors/embed_function.hpp"
#include "config/store_options.hpp"
#include "messages/loading.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/store.hpp"

namespace prometheus {
class Histogram;
} // namespace prometheus

namespace sotto {

/// STORE READER with its list of owners and its own timer: look after the store.
using maintaining_actor =
    part_reader_actor::extend_with<owner_list_actor>::extend<caf::reacts_to<atom::tick>>;

/// STORE READER's state: loads owners, and between loads does what the committing thread should
/// not wait for.
class store_reader_state {
public:
  static inline const char* name = "store_reader";

  using self_pointer = actor_of<maintaining_actor, store_reader_state>*;

  void init(self_pointer self, store_reader_options options, std::shared_ptr<store_view> from,
            embed_function embed);

  caf::result<std::vector<spoken_lines>> spoken(const spoken_by& what);
  caf::result<std::vector<owner_vectors>> owners(const owner_key& after, uint32_t limit);
  void load(const context& ctx, const shard_actor& shard, const owner_key& owner);
  caf::result<memory_write> load_part(const owner_key& owner, uint64_t after);
  void tick();

private:
  /// With vectors.
  caf::expected<memory_write> read(const owner_key& owner, uint64_t after);
  void maintain();

  self_pointer self_ = nullptr;
  store_reader_options options_;
  std::shared_ptr<store_view> view_;
  embed_function embed_;
  /// Timers in a row at which loads went first.
  int put_off_ = 0;
  /// The latest maintenance failed; said once.
  bool failing_ = false;
  prometheus::Histogram* load_seconds_ = nullptr;
};

/// Spawn it detached: a load blocks its thread. `embed` computes the vectors that are not stored;
/// without it they stay empty.
maintaining_actor::behavior_type store_reader(actor_of<maintaining_actor, store_reader_state>* self,
                                              store_reader_options options,
                                              std::shared_ptr<store_view> from,
                                              embed_function embed);

} // namespace sotto
