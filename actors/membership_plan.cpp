// What a node does about what it has seen.
#include <algorithm>
#include <unordered_map>

#include <spdlog/spdlog.h>

#include "actors/membership_core.hpp"

namespace sotto {

void membership_core::act() {
  auto* self = member(setup_.self.name);
  if (self && self->live && lease_.may_serve(setup_.now())) {
    auto wish = plan();
    if (claim(wish))
      wish = plan();
    hand_over(wish);
    ask(wish);
  }
  if (!left_) {
    release(setup_.now());
    tell_changes();
  }
}

placement membership_core::plan() const {
  std::vector<placement_node> nodes;
  for (auto& x : members_)
    if (eligible(x))
      nodes.push_back({x.name, x.capacity});
  auto now = setup_.now();
  std::vector<placed_partition> places;
  for (auto& row : rows_)
    places.push_back(
        {row.number, owner_live(row) ? row.node : "", row.wanted, 0, now - changed_[row.number]});
  spread_load(places);
  auto limits = setup_.with.rebalance;
  if (now < eager_until_) {
    limits.interval = limits.settle = caf::timespan{0};
    limits.max_moves = std::max(limits.max_moves, setup_.cluster.partitions);
  }
  return place(std::move(nodes), std::move(places), limits);
}

/// What an owner does not name of its load is shared by the rest of its partitions.
void membership_core::spread_load(std::vector<placed_partition>& places) const {
  struct rest {
    double busy = 0;
    size_t partitions = 0;
  };
  std::unordered_map<std::string_view, rest> rests;
  std::vector<bool> named(places.size());
  for (auto& x : places)
    ++rests[x.owner].partitions;
  for (auto& x : members_) {
    auto& left = rests[x.name];
    left.busy = x.load.busy;
    for (auto& hot : x.load.hottest) {
      if (hot.partition >= places.size() || places[hot.partition].owner != x.name
          || named[hot.partition])
        continue;
      named[hot.partition] = true;
      places[hot.partition].load = hot.busy;
      left.busy -= hot.busy;
      --left.partitions;
    }
  }
  for (auto& x : places)
    if (!named[x.number] && !x.owner.empty()) {
      auto& left = rests[x.owner];
      x.load = std::max(0.0, left.busy / static_cast<double>(left.partitions));
    }
}

/// Whether anything was claimed.
bool membership_core::claim(const placement& plan) {
  std::vector<partition_epoch> wish;
  auto patient = setup_.now() < takes_over_from_;
  for (auto& x : plan.claims)
    if (x.to == setup_.self.name && !(patient && !rows_[x.number].node.empty()))
      wish.push_back({x.number, rows_[x.number].epoch});
  // Ours by the row but not by what we hold: a claim whose answer was lost, or a lease that ended.
  // A new epoch tells what is written from now on from what may still be on its way.
  for (auto& row : rows_)
    if (is_self(row.node, row.incarnation) && !held_.contains(row.number))
      wish.push_back({row.number, row.epoch});
  if (wish.empty() || !watch())
    return false;
  auto got = setup_.store->claim(wish);
  if (!got) {
    note(to_failure(got.error()));
    news_ = true;
    return false;
  }
  // Not ours any more by the time of the answer: all is claimed again, under the next epochs.
  auto now = setup_.now();
  if (!watch() || !lease_.may_serve(now))
    return false;
  for (auto& x : *got) {
    held_[x.number] = {x.epoch};
    auto& row = rows_[x.number];
    row = {x.number, setup_.self.name, setup_.self.incarnation, x.epoch, {}, 0};
    changed_[x.number] = now;
    setup_.writes->allow(x.number, x.epoch);
  }
  tell_changes();
  return !got->empty();
}

void membership_core::hand_over(const placement& plan) {
  auto now = setup_.now();
  size_t releasing = 0;
  for (auto& [number, x] : held_) {
    if (x.is == ownership::state::releasing) {
      ++releasing;
      continue;
    }
    auto& wanted = rows_[number].wanted;
    auto* by = wanted.empty() || wanted == setup_.self.name ? nullptr : member(wanted);
    if (by && eligible(*by)) {
      begin_release(number, now);
      ++releasing;
    }
  }
  for (auto& x : plan.drains) {
    auto it = held_.find(x.number);
    if (x.from != setup_.self.name || it == held_.end()
        || it->second.is == ownership::state::releasing)
      continue;
    if (releasing++ >= setup_.with.rebalance.drain_moves)
      break;
    begin_release(x.number, now);
  }
  tell_changes();
}

void membership_core::begin_release(uint32_t partition, int64_t now) {
  auto& x = held_[partition];
  x.is = ownership::state::releasing;
  x.since = now;
}

void membership_core::ask(const placement& plan) {
  std::vector<partition_epoch> wish;
  for (auto& x : plan.moves)
    if (x.to == setup_.self.name)
      wish.push_back({x.number, rows_[x.number].epoch});
  if (wish.empty() || !watch())
    return;
  if (auto why = setup_.store->want(wish))
    return note(why);
  for (auto& x : wish)
    rows_[x.number].wanted = setup_.self.name;
}

void membership_core::release(int64_t now) {
  std::vector<partition_epoch> ready;
  std::vector<ownership> overdue;
  auto* self = member(setup_.self.name);
  for (auto& row : rows_)
    if (self && !eligible(*self) && is_self(row.node, row.incarnation)
        && !held_.contains(row.number))
      ready.push_back({row.number, row.epoch});
  for (auto& [number, x] : held_) {
    if (x.is != ownership::state::releasing)
      continue;
    if (!x.flushed && now - x.since > setup_.with.release_timeout.count()) {
      spdlog::warn("partition {} was not drained in time and is given away", number);
      overdue.push_back({number, ownership::state::lost, x.epoch, {}});
      x.flushed = true;
    }
    if (x.flushed) {
      setup_.writes->forbid(number);
      ready.push_back({number, x.epoch});
    }
  }
  tell(std::move(overdue));
  if (ready.empty() || !watch())
    return;
  if (auto why = setup_.store->release(ready)) {
    // Perhaps done: the next look shows. What is still ours then is released again.
    news_ = true;
    return note(why);
  }
  for (auto& x : ready) {
    held_.erase(x.number);
    rows_[x.number].node.clear();
    rows_[x.number].incarnation.clear();
    changed_[x.number] = now;
  }
  news_ = true;
  tell_changes();
}

} // namespace sotto
