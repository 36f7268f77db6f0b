// How ROUTE learns where partitions live, and keeps the order of what is for one that moves.
#include "actors/link.hpp"
#include "actors/route.hpp"

namespace sotto {

void route_state::settle(uint32_t partition, partition_place& at, std::string node) {
  if (at.again != 0)
    --again_;
  at.again = 0;
  at.used = false;
  auto link = link_to(node);
  if (!link)
    return;
  self_->send<caf::message_priority::high>(link, context{}, atom::settle_v, partition);
  at.settling = std::move(node);
}

void route_state::placed(uint32_t partition, route_place place) {
  if (partition >= table_.size())
    return;
  auto& at = table_[partition];
  // First of all: it is told once, and must be known whatever fails here.
  auto before = std::exchange(at.place, std::move(place));
  if (before.at == route_place::kind::here && before.home != at.place.home) {
    at.before = before.home;
    empty_gate(partition);
  }
  if (at.place.at == route_place::kind::here && !gate_ && parts_.gate)
    gate_ = parts_.gate();
  auto elsewhere = before.node != at.place.node;
  if (before.at == route_place::kind::peer && at.settling.empty() && at.used
      && (at.place.at != route_place::kind::peer || elsewhere))
    settle(partition, at, before.node);
  if (elsewhere && at.again != 0) {
    at.again = 0;
    --again_;
  }
  release(partition);
}

/// Turns that wait in ADMISSION come back, whoever asked for them: what comes later must not reach
/// the next owner before them.
void route_state::empty_gate(uint32_t partition) {
  auto& at = table_[partition];
  if (!gate_ || at.emptying)
    return;
  self_
      ->request<caf::message_priority::high>(gate_, parts_.options.hold, context{}, atom::settle_v,
                                             partition, static_cast<uint32_t>(table_.size()))
      .then([this, partition](atom::settled) { emptied(partition); },
            [this, partition](const caf::error&) { emptied(partition); });
  at.emptying = true;
}

void route_state::emptied(uint32_t partition) {
  table_[partition].emptying = false;
  if (auto all = waiting_.extract(partition))
    for (auto& x : all.mapped())
      x.deliver(atom::settled_v);
  release(partition);
}

caf::result<atom::settled> route_state::settle_here(uint32_t partition) {
  if (partition >= table_.size() || !table_[partition].emptying)
    return atom::settled_v;
  return waiting_[partition].emplace_back(self_->make_response_promise<atom::settled>());
}

void route_state::linked(const std::string& node, link_actor link) {
  if (auto at = links_.find(node); at != links_.end())
    link_ids_.erase(at->second.id());
  if (link)
    link_ids_.insert(link.id());
  if (link)
    links_[node] = std::move(link);
  else
    links_.erase(node);
  for (uint32_t i = 0; i < table_.size(); ++i) {
    if (!links_.contains(node) && table_[i].settling == node)
      table_[i].settling.clear(); // whatever it had was answered or came back when it ended
    if (table_[i].settling.empty())
      release(i);
  }
}

void route_state::returned(routed_call call) {
  kept_call x{std::move(call)};
  metrics_->returned();
  if (was_cancelled(x))
    return;
  auto& at = table_[x.partition];
  if (at.place.at == route_place::kind::peer && at.settling.empty() && at.again == 0
      && links_.contains(at.place.node)) {
    at.again = self_->nanos() + parts_.options.hold_retry.count();
    ++again_;
  }
  hold(std::move(x));
}

void route_state::settled(uint32_t partition, const std::string& node) {
  if (partition >= table_.size() || table_[partition].settling != node)
    return;
  table_[partition].settling.clear();
  release(partition);
}

} // namespace sotto
