#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "actors/lease.hpp"
#include "actors/placement.hpp"
#include "config/cluster_options.hpp"
#include "runtime/cluster_store.hpp"
#include "runtime/fence.hpp"
#include "runtime/serving_lease.hpp"

namespace sotto {

/// What a node needs to be a member.
struct membership_setup {
  cluster_options with;
  cluster_identity cluster;
  cluster_node self;
  std::shared_ptr<cluster_store> store;
  /// What this node may write, and until when it may serve; both kept true by MEMBERSHIP.
  std::shared_ptr<fence> writes;
  std::shared_ptr<serving_lease> serving;
  /// Nanoseconds, like `boot_nanos`.
  std::function<int64_t()> now = boot_nanos;
  /// The node cannot be a member (`ec::invalid`: configuration), or cannot be sure that it stopped
  /// serving in time: the process must end.
  std::function<void(const failure&)> give_up;
};

/// MEMBERSHIP without the actor: steps that look into the store, act on what they find, and say
/// when the next is due. What a listener must know is told at once, before the next call of the
/// store.
class membership_core {
public:
  struct listener {
    std::function<void(std::vector<ownership>)> ownership_changed;
    std::function<void(const std::vector<cluster_member>&)> members_changed;
  };

  membership_core(membership_setup setup, listener tell);

  /// Does what is due. Returns the nanoseconds until the next step, unless something happens.
  int64_t step();

  /// The partition is drained and written; `step` releases it.
  void flushed(uint32_t partition, uint64_t epoch);
  /// The node may be dead: the next step looks, and from the end of its lease on steps come fast
  /// until its partitions have other owners. A heartbeat of it that comes then ends the suspicion;
  /// nothing is claimed a moment earlier, since until its lease ends it may serve.
  void suspect(const std::string& node);
  /// The store has news: the next step looks.
  void changed() { news_ = true; }
  void measured(cluster_load load) { load_ = std::move(load); }
  /// Fails like `cluster_store::drain`.
  caf::expected<drain_progress> drain(std::string node, bool on);
  /// No pauses between moves for a while.
  void rebalance();
  void leave();

  cluster_view view() const;
  /// Owned or being drained, and the lease runs.
  bool serves(uint32_t partition) const;
  bool joined() const { return joined_; }

private:
  struct holding {
    uint64_t epoch = 0;
    ownership::state is = ownership::state::owned;
    bool flushed = false;
    /// When `releasing` was told.
    int64_t since = 0;
  };

  bool watch();
  bool join();
  bool look(bool renew);
  void take_in(cluster_look found, int64_t now);
  void check_holdings();
  void act();
  bool claim(const placement& plan);
  void spread_load(std::vector<placed_partition>& places) const;
  void hand_over(const placement& plan);
  void ask(const placement& plan);
  void release(int64_t now);
  void begin_release(uint32_t partition, int64_t now);
  void lose(const std::string& why);
  void fail(const failure& why);
  placement plan() const;
  bool is_self(const std::string& node, const std::string& incarnation) const;
  const cluster_member* member(const std::string& name) const;
  bool eligible(const cluster_member& x) const;
  bool owner_live(const partition_row& row) const;
  void look_at_suspects(int64_t now);
  bool cleared(const std::string& name, int64_t& ends, int64_t now) const;
  void tell(std::vector<ownership> changes);
  void tell_changes();
  void tell_members();
  void note(const failure& why);
  int64_t until_next() const;

  membership_setup setup_;
  listener tell_;
  lease lease_;
  bool joined_ = false;
  bool left_ = false;
  bool news_ = false;
  bool failing_ = false;
  /// When to look again, at the latest.
  int64_t due_ = 0;
  int64_t renewed_ = 0, looked_ = 0;
  /// Until when an earlier run of this node may hold the name.
  int64_t patience_ = 0;
  /// From when on partitions of dead nodes are claimed.
  int64_t takes_over_from_ = 0;
  /// When the leases of suspected nodes end, by our clock; 0: not looked at since.
  std::map<std::string, int64_t> suspects_;
  int64_t eager_until_ = 0;
  cluster_load load_;
  std::vector<cluster_member> members_;
  std::vector<cluster_member> told_members_;
  std::vector<cluster_departure> departures_;
  /// Incarnations of live nodes by their names.
  std::unordered_map<std::string, std::string> live_;
  std::vector<partition_row> rows_;
  /// When each row was changed, by our clock.
  std::vector<int64_t> changed_;
  std::vector<ownership> told_;
  std::map<uint32_t, holding> held_;
};

} // namespace sotto
