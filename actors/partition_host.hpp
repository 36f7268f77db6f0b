#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "messages/partition_host.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// What PARTITION HOST works with. On a node alone `route` is nobody.
struct partition_host_parts {
  /// Starts a PARTITION, whose writes are made under this epoch; once it drains it sends what comes
  /// to `successor`, if that is somebody.
  std::function<listened_partition_actor(uint32_t number, uint64_t epoch,
                                         listened_partition_actor successor)>
      make;
  /// From now on the partition is reached through this handle; whether it lives here, and under
  /// which epoch.
  std::function<void(uint32_t number, listened_partition_actor home, bool here, uint64_t epoch)>
      publish;
  store_writer_actor writer;
  route_actor route;
  /// How long running turns are waited for when a partition moves.
  caf::timespan hand_off = std::chrono::seconds{15};
  /// All members, when they change; may be empty.
  std::function<void(const std::vector<cluster_member>&)> members_changed;
  /// Whether every partition has a place by now, or, after that, whether this node has lost its
  /// own; may be empty.
  std::function<void(bool settled)> settled;
  /// What the partitions here cost of late; asked every few seconds. May be empty.
  std::function<cluster_load()> measure;
};

/// PARTITION HOST's state.
///
/// A partition that moves first sends what is new for it to ROUTE, which holds it; ends what runs;
/// has everything written; and only then is given up. A partition whose lease is lost is ended at
/// once: what it still writes is refused by the store. A PARTITION that fails is started again
/// under the same epoch, after a pause that grows.
class partition_host_state {
public:
  static inline const char* name = "partition_host";

  using self_pointer = actor_of<partition_host_actor, partition_host_state>*;

  ~partition_host_state();

  void init(self_pointer self, partition_host_parts parts, std::vector<ownership> first);

  void told_by_membership(const std::vector<ownership>& changes);
  void members(const std::vector<cluster_member>& all);
  uint32_t here() const;
  caf::result<atom::drained> drain(const context& ctx);
  void tick(uint32_t number, uint64_t round);
  void measure();
  void down(const caf::down_msg& x);

private:
  /// A partition that lives here, or did until a moment ago.
  struct entry {
    listened_partition_actor home;
    uint64_t epoch = 0;
    /// Distinguishes one start from the next.
    uint64_t round = 0;
    bool releasing = false;
    bool moved = false;
    uint32_t failures = 0;
  };

  void told(const std::vector<ownership>& changes);
  void own(uint32_t number, uint64_t epoch);
  void start(uint32_t number, entry& x);
  void release(uint32_t number, uint64_t epoch);
  void drain(uint32_t number, uint64_t round);
  void flush(uint32_t number, uint64_t round);
  void let_go(uint32_t number, uint64_t round);
  void lose(uint32_t number);
  void end(uint32_t number);
  void place(uint32_t number, route_place where);
  void look_at_places(const std::vector<ownership>& changes);
  listened_partition_actor route() const;

  self_pointer self_ = nullptr;
  partition_host_parts parts_;
  std::unordered_map<uint32_t, entry> entries_;
  std::unordered_map<caf::actor_id, uint32_t> numbers_;
  /// Who tells what to serve; nobody on a node alone.
  membership_actor membership_;
  std::unordered_set<uint32_t> homeless_;
  bool settled_ = false;
  bool measuring_ = false;
  uint64_t rounds_ = 0;
  bool draining_ = false;
};

/// `first`: what is owned from the start.
partition_host_actor::behavior_type
partition_host(actor_of<partition_host_actor, partition_host_state>* self,
               partition_host_parts parts, std::vector<ownership> first);

} // namespace sotto
