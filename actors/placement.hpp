#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/cluster_options.hpp"

namespace sotto {

/// A node that may own partitions: live, a worker, not draining.
struct placement_node {
  std::string name;
  double capacity = 1;
};

/// A partition, as far as its place goes.
struct placed_partition {
  uint32_t number = 0;
  /// The owner if its lease runs; empty: free to claim.
  std::string owner;
  /// Who asked for it; empty: nobody.
  std::string wanted;
  /// Share of a core.
  double load = 0;
  /// Nanoseconds since its row was changed.
  int64_t age = 0;
};

struct partition_move {
  uint32_t number = 0;
  /// Empty: it is free.
  std::string from;
  std::string to;
  friend bool operator==(const partition_move&, const partition_move&) = default;
};

struct placement {
  /// Free partitions and who is to claim them. Never limited: nobody serves them.
  std::vector<partition_move> claims;
  /// Partitions of draining nodes (or of such that are no workers) and where they go.
  std::vector<partition_move> drains;
  /// Partitions that should be asked for, in order, as many as may begin to move now.
  std::vector<partition_move> moves;
};

/// Weighted rendezvous hashing (Thaler and Ravishankar 1998) with the logarithmic weights of
/// Schindelhauer and Schomaker (2005): the node with the greatest -capacity / ln(u), u in (0, 1) by
/// XXH64 of its name, seeded with the partition.
double rendezvous_score(uint32_t partition, const placement_node& node);

/// Where every partition should be, decided by what the database says alone: all nodes that read
/// the same rows get the same answer, whatever the order of the rows.
///
/// Each node has a quota, its share by capacity (largest remainders). What is at home stays where
/// it is. What has no home goes to the best score among the nodes below their quota; what is above
/// a quota goes to whoever is below, best score first. So a join moves the joiner's share, a death
/// moves what the dead one had, and nothing else moves; and shares are exact, where plain
/// rendezvous leaves every node a binomial deviation of some 12 % with 256 partitions on five.
///
/// A node that is `hot_above` busier than the mean swaps: its best partition for the purpose moves
/// to the least busy node, which gives a cold one back for it as soon as that makes nobody too
/// busy. A move must gain a tenth of `hot_above`, and evening out the numbers leaves every node
/// half of it below the mark; hence nothing goes to and fro.
placement place(std::vector<placement_node> nodes, std::vector<placed_partition> partitions,
                const rebalance_options& limits);

} // namespace sotto
