// How PARTITION lets sessions go: those that are idle, and the least valuable where the node holds
// too much.
#include <cmath>

#include "actors/partition.hpp"

namespace sotto {

namespace {

/// Sessions asked to end at the same time; a bound on the requests under way.
constexpr size_t most_leaving = 64;
/// Busy sessions passed over in the search for one that may end.
constexpr int most_looks = 16;
/// How often the node's memory is looked at.
constexpr auto look_every = std::chrono::seconds{1};
/// Owners of whom it is known when they were written to.
constexpr size_t most_written = 4096;

} // namespace

const session_worth* partition_state::worth_of(caf::actor_id id) const {
  auto at = by_id_.find(id);
  return at == by_id_.end() || at->second->second.passivating ? nullptr : &at->second->second.worth;
}

partition_state::session_map::value_type* partition_state::least_valuable() {
  for (int i = 0; i < most_looks; ++i) {
    auto id = values_.least([this](auto x) { return worth_of(x); });
    if (id == 0)
      return nullptr;
    auto* found = by_id_.at(id);
    auto& x = found->second;
    if (x.place->busy_until.load(std::memory_order_relaxed) <= self_->nanos())
      return found;
    values_.enter(id, x.worth, x.place->bytes);
  }
  return nullptr;
}

/// Whether one more may be started; where the node is nearly full, one that is worth less goes.
bool partition_state::make_room() {
  auto& memory = *parts_->memory;
  if (!memory.crowded())
    return true;
  if (leaving_.size() < most_leaving) {
    if (auto* x = least_valuable()) {
      passivate(*x, memory.excess_live() > 0 ? leaving::count : leaving::memory);
      return true;
    }
  }
  return !memory.full();
}

void partition_state::passivate(session_map::value_type& x, leaving why) {
  auto& what = x.second;
  what.passivating = std::make_unique<waiting_room>();
  leaving_.insert(what.session.id());
  self_
      ->request<caf::message_priority::high>(what.session, parts_->options.store_timeout, context{},
                                             atom::passivate_v)
      .then(
          [this, place = what.place, why](bool ended) {
            // An ended session's `down` releases what was held.
            if (ended)
              ++parts_->memory->passivated[static_cast<size_t>(why)];
            else
              release(place->key);
          },
          [this, place = what.place](const caf::error&) { release(place->key); });
}

void partition_state::written(const owner_key& owner) {
  kept_.forget(owner);
  if (written_.size() >= most_written && !written_.contains(owner)) {
    written_.clear();
    written_before_ = self_->nanos();
  }
  written_[owner] = self_->nanos();
}

/// A write is seen when it is durable: a session that began soon after it may lack it too.
bool partition_state::lacks_writes(const owner_key& owner, const entry& x) const {
  auto at = written_.find(owner);
  auto last = at == written_.end() ? written_before_ : at->second;
  return last != 0 && x.started <= last + parts_->options.store_timeout.count();
}

void partition_state::keep_context(entry& x) {
  auto& [owner, conversation] = x.place->key;
  auto how_long = parts_->options.keep_context.count();
  if (x.place->context && !x.outdated && how_long > 0 && !draining_ && !lacks_writes(owner, x)) {
    kept_.keep(owner, conversation, std::move(x.place->context), self_->nanos() + how_long);
    arm();
  }
}

/// Asks the next to end that are idle or too much.
void partition_state::relieve() {
  auto idle_since = self_->nanos() - parts_->options.idle_timeout.count();
  while (!idle_.empty() && leaving_.size() < most_leaving) {
    auto at = by_id_.find(idle_.back());
    idle_.pop_back();
    if (at != by_id_.end() && !at->second->second.passivating
        && at->second->second.last_used <= idle_since)
      passivate(*at->second, leaving::idle);
  }
  while (excess_ > 0 && leaving_.size() < most_leaving) {
    auto* x = least_valuable();
    if (!x) {
      excess_ = 0;
      return;
    }
    --excess_;
    passivate(*x, parts_->memory->excess_live() > 0 ? leaving::count : leaving::memory);
  }
}

void partition_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  auto every = std::min<caf::timespan>(look_every, parts_->options.idle_timeout / 4);
  self_->delayed_send<caf::message_priority::high>(self_, every, context{}, atom::tick_v);
}

void partition_state::tick() {
  armed_ = false;
  auto now = self_->nanos();
  if (now - looked_ >= parts_->options.idle_timeout.count() / 4) {
    looked_ = now;
    idle_.clear();
    for (auto& [key, x] : sessions_)
      if (!x.passivating && x.last_used <= now - parts_->options.idle_timeout.count())
        idle_.push_back(x.session.id());
  }
  kept_.expire(now);
  // Each partition lets go of the same share, so that nobody has to tell them.
  excess_ = static_cast<size_t>(
      std::ceil(static_cast<double>(sessions_.size()) * parts_->memory->excess()));
  relieve();
  if (!sessions_.empty() || !kept_.empty())
    arm();
}

} // namespace sotto
