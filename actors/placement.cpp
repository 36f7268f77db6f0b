#include "actors/placement.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <xxhash.h>

namespace sotto {

namespace {

constexpr size_t nowhere = SIZE_MAX;

/// Works on indices: nodes by name, partitions by number.
class planner {
public:
  planner(std::vector<placement_node> nodes, std::vector<placed_partition> partitions,
          const rebalance_options& limits)
      : nodes_(std::move(nodes)), partitions_(std::move(partitions)), limits_(limits),
        count_(nodes_.size()), load_(nodes_.size()) {
    std::ranges::sort(nodes_, {}, &placement_node::name);
    std::ranges::sort(partitions_, {}, &placed_partition::number);
    settle();
    share_out();
  }

  placement plan() {
    if (nodes_.empty())
      return {};
    house();
    auto allowed = allowance();
    even_out(allowed);
    if (allowed > 0 && result_.moves.empty() && still())
      cool();
    return std::move(result_);
  }

private:
  size_t index_of(const std::string& name) const {
    auto it = std::ranges::lower_bound(nodes_, name, {}, &placement_node::name);
    return it != nodes_.end() && it->name == name ? static_cast<size_t>(it - nodes_.begin())
                                                  : nowhere;
  }

  void put(size_t partition, size_t node) {
    at_[partition] = node;
    ++count_[node];
    load_[node] += partitions_[partition].load;
  }

  void take(size_t partition) {
    auto node = at_[partition];
    --count_[node];
    load_[node] -= partitions_[partition].load;
    at_[partition] = nowhere;
  }

  /// Everyone's place: with whom they are wanted, else with their owner.
  void settle() {
    at_.assign(partitions_.size(), nowhere);
    on_the_way_.assign(partitions_.size(), false);
    for (size_t i = 0; i < partitions_.size(); ++i) {
      auto& x = partitions_[i];
      auto owner = index_of(x.owner), wanted = index_of(x.wanted);
      on_the_way_[i] = wanted != nowhere && wanted != owner;
      auto place = wanted != nowhere ? wanted : owner;
      if (place != nowhere)
        put(i, place);
    }
  }

  double capacity() const {
    return std::accumulate(nodes_.begin(), nodes_.end(), 0.0,
                           [](double sum, const placement_node& x) { return sum + x.capacity; });
  }

  /// Quotas: what is left over after rounding down goes to those who hold it already, so that
  /// nothing moves for a fraction.
  void share_out() {
    quota_.resize(nodes_.size());
    std::vector<double> rest(nodes_.size());
    size_t given = 0;
    auto all = capacity();
    for (size_t n = 0; n < nodes_.size(); ++n) {
      auto share = static_cast<double>(partitions_.size()) * nodes_[n].capacity / all;
      quota_[n] = static_cast<size_t>(share);
      rest[n] = share - std::floor(share);
      given += quota_[n];
    }
    std::vector<size_t> order(nodes_.size());
    std::iota(order.begin(), order.end(), 0);
    auto holds = [&](size_t n) { return rest[n] > 0 && count_[n] > quota_[n]; };
    std::ranges::stable_sort(order, [&](size_t a, size_t b) {
      return holds(a) != holds(b) ? holds(a) : rest[a] > rest[b];
    });
    for (size_t i = 0; given < partitions_.size() && !order.empty(); ++i, ++given)
      ++quota_[order[i % order.size()]];
  }

  double score(size_t partition, size_t node) const {
    return rendezvous_score(partitions_[partition].number, nodes_[node]);
  }

  /// The best of those with room; there is always one while somebody has no place.
  size_t best_home(size_t partition) const {
    auto best = nowhere;
    for (size_t n = 0; n < nodes_.size(); ++n)
      if (count_[n] < quota_[n]
          && (best == nowhere || score(partition, n) > score(partition, best)))
        best = n;
    return best;
  }

  /// Places what is free or must go.
  void house() {
    for (size_t i = 0; i < partitions_.size(); ++i) {
      auto& x = partitions_[i];
      auto settled = at_[i] != nowhere;
      if (!settled)
        put(i, best_home(i));
      partition_move move{x.number, x.owner, nodes_[at_[i]].name};
      if (x.owner.empty())
        result_.claims.push_back(std::move(move));
      else if (!settled)
        result_.drains.push_back(std::move(move));
    }
  }

  /// Moves that may begin now.
  size_t allowance() const {
    size_t busy = 0;
    for (size_t i = 0; i < partitions_.size(); ++i)
      busy += on_the_way_[i] || partitions_[i].owner.empty()
                      || partitions_[i].age < limits_.interval.count()
                  ? 1
                  : 0;
    return busy < limits_.max_moves ? limits_.max_moves - busy : 0;
  }

  double use(size_t node) const { return load_[node] / nodes_[node].capacity; }
  double mean() const { return std::accumulate(load_.begin(), load_.end(), 0.0) / capacity(); }

  bool movable(size_t partition) const {
    return !on_the_way_[partition] && index_of(partitions_[partition].owner) == at_[partition];
  }

  void move(size_t partition, size_t to) {
    result_.moves.push_back(
        {partitions_[partition].number, partitions_[partition].owner, nodes_[to].name});
    take(partition);
    put(partition, to);
    on_the_way_[partition] = true;
  }

  /// Gives those below their quota what others have above theirs.
  void even_out(size_t allowed) {
    while (result_.moves.size() < allowed) {
      auto to = nowhere;
      for (size_t n = 0; n < nodes_.size(); ++n)
        if (count_[n] < quota_[n]
            && (to == nowhere || quota_[n] - count_[n] > quota_[to] - count_[to]))
          to = n;
      auto partition = to == nowhere ? nowhere : best_surplus(to);
      if (partition == nowhere)
        return;
      move(partition, to);
    }
  }

  size_t best_surplus(size_t to) const {
    auto limit = std::max(limits_.hot_floor, mean() * (1 + limits_.hot_above / 2));
    auto best = nowhere;
    for (size_t i = 0; i < partitions_.size(); ++i) {
      if (!movable(i) || count_[at_[i]] <= quota_[at_[i]]
          || load_[to] + partitions_[i].load > limit * nodes_[to].capacity)
        continue;
      if (best == nowhere || score(i, to) > score(best, to))
        best = i;
    }
    return best;
  }

  /// Nothing moved lately, so the figures of the load are those of these places.
  bool still() const {
    for (size_t i = 0; i < partitions_.size(); ++i)
      if (on_the_way_[i] || partitions_[i].age < limits_.settle.count())
        return false;
    return true;
  }

  /// Moves one partition from the busiest to the least busy node, if that helps.
  void cool() {
    size_t hot = 0, cold = 0;
    for (size_t n = 1; n < nodes_.size(); ++n) {
      hot = use(n) > use(hot) ? n : hot;
      cold = use(n) < use(cold) ? n : cold;
    }
    auto usual = mean();
    if (use(hot) <= std::max(limits_.hot_floor, usual * (1 + limits_.hot_above)))
      return;
    auto best = nowhere;
    auto least = use(hot) - usual * limits_.hot_above / 10;
    for (size_t i = 0; i < partitions_.size(); ++i) {
      if (at_[i] != hot || !movable(i))
        continue;
      auto load = partitions_[i].load;
      auto after = std::max((load_[hot] - load) / nodes_[hot].capacity,
                            (load_[cold] + load) / nodes_[cold].capacity);
      if (after < least) {
        best = i;
        least = after;
      }
    }
    if (best != nowhere)
      move(best, cold);
  }

  std::vector<placement_node> nodes_;
  std::vector<placed_partition> partitions_;
  const rebalance_options& limits_;
  std::vector<size_t> at_;
  std::vector<bool> on_the_way_;
  std::vector<size_t> count_, quota_;
  std::vector<double> load_;
  placement result_;
};

} // namespace

double rendezvous_score(uint32_t partition, const placement_node& node) {
  auto hash = XXH64(node.name.data(), node.name.size(), partition);
  // 53 bits, and never 0 or 1.
  auto u = (static_cast<double>(hash >> 11) + 0.5) * 0x1p-53;
  return -node.capacity / std::log(u);
}

placement place(std::vector<placement_node> nodes, std::vector<placed_partition> partitions,
                const rebalance_options& limits) {
  return planner{std::move(nodes), std::move(partitions), limits}.plan();
}

} // namespace sotto
