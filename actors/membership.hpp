#pragma once

#include <atomic>
#include <memory>

#include "actors/membership_core.hpp"
#include "runtime/base_actor.hpp"

namespace prometheus {
class Gauge;
class Counter;
} // namespace prometheus

namespace sotto {

/// MEMBERSHIP's state: turns messages into steps of the core and what the core says into messages.
class membership_state {
public:
  static inline const char* name = "membership";

  using self_pointer = actor_of<membership_actor, membership_state>*;

  ~membership_state();

  void init(self_pointer self, membership_setup setup, cluster_client_actor listener);
  void step();
  void tick();
  void changed();
  void flushed(uint32_t partition, uint64_t epoch);
  void suspect(const std::string& node);
  caf::result<drain_progress> drain(const std::string& node, bool on);
  cluster_view rebalance();

  membership_core& core() { return *core_; }

private:
  void arm(int64_t wait);
  void count(const std::vector<ownership>& changes);

  self_pointer self_ = nullptr;
  std::shared_ptr<cluster_store> store_;
  std::unique_ptr<membership_core> core_;
  /// A `changed` is on its way.
  std::shared_ptr<std::atomic<bool>> told_ = std::make_shared<std::atomic<bool>>(false);
  /// When the timer fires that counts, by the actor clock; 0: none.
  int64_t armed_ = 0;
  int64_t stepped_ = 0;
  std::vector<bool> owned_;
  prometheus::Gauge* partitions_ = nullptr;
  prometheus::Gauge* live_ = nullptr;
  prometheus::Counter* lost_ = nullptr;
};

/// Spawn it detached: it waits for the database.
membership_actor::behavior_type membership(actor_of<membership_actor, membership_state>* self,
                                           membership_setup setup, cluster_client_actor listener);

} // namespace sotto
