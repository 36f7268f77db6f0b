#pragma once

#include "runtime/cluster_store.hpp"
#include "runtime/postgres.hpp"
#include "runtime/socket_watch.hpp"

namespace sotto {

/// The cluster in PostgreSQL: tables `cluster`, `nodes` and `partitions` in the target's schema.
/// One connection, opened when it is needed; changes are told by NOTIFY.
///
/// A node's lease stands in its row, so that every node is judged by its own. `now()` is the start
/// of a transaction: a statement that had to wait counts from before its wait, which shortens our
/// lease and lengthens others'.
///
/// Ownership is safe whatever a claim reads, by two rules: a claim names the epoch it was decided
/// on, and a node whose lease has ended claims everything anew. So a row with an owner is taken
/// only in a snapshot in which that owner's lease had ended, and then the owner does not serve any
/// more, even if a heartbeat of it is being committed at the same time.
class postgres_cluster : public cluster_store {
public:
  /// No call takes longer than `longest`, `join` apart: a quarter for connecting, half for an
  /// answer. The reactor must outlive this.
  postgres_cluster(postgres::target to, caf::timespan longest, reactor& on);

  caf::expected<join_outcome> join(const cluster_identity& cluster, const cluster_node& self,
                                   caf::timespan lease) override;
  caf::expected<cluster_look> look(bool renew, const cluster_load& load) override;
  caf::expected<std::vector<partition_epoch>>
  claim(std::span<const partition_epoch> partitions) override;
  failure want(std::span<const partition_epoch> partitions) override;
  failure release(std::span<const partition_epoch> partitions) override;
  failure drain(const std::string& node, bool on) override;
  failure leave() override;
  /// Does so for a run of a node whose process is dead, in its stead. Of one that lives it would
  /// not be true that it serves nothing any more.
  failure bury(const std::string& incarnation);
  void on_change(std::function<void()> told) override;

private:
  failure give_up(const std::string& incarnation, const char* why);
  struct work {
    postgres::statement what;
    postgres::parameters with;
  };

  failure connect();
  caf::expected<std::vector<postgres::result>> transact(std::vector<work> statements);
  failure transact_only(std::vector<work> statements);
  caf::expected<join_outcome> enter(const cluster_identity& cluster, const cluster_node& self,
                                    caf::timespan lease);
  failure check(const cluster_identity& cluster, const cluster_node& self);
  work notify() const;
  void after_call();

  postgres::target to_;
  int64_t longest_;
  std::string channel_;
  postgres::connection db_;
  socket_watch watch_;
  cluster_node self_;
  /// The database's time at the look before; empty: the next one reads all partitions.
  std::string looked_;
};

} // namespace sotto
