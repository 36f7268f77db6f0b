// How SHARD gets an owner's memories from the store, and who waits for them.
#include "actors/shard.hpp"

namespace sotto {

failure shard_state::in_doubt() {
  return {ec::unavailable, "it is being found out what is stored of this owner", {}, 1};
}

void shard_state::with_owner(const context& ctx, const owner_key& owner, visitor visit) {
  auto [at, isnew] = owners_.try_emplace(owner);
  if (isnew) {
    at->second = std::make_unique<entry>();
    at->second->since = self_->nanos();
    ++loading_;
    when_settled(ctx, [this, ctx, owner](const failure& why) { load(ctx, owner, why); });
    arm();
  }
  auto& x = *owners_.at(owner);
  x.last_used = self_->nanos();
  if (!x.loading && x.owner.doubtful) {
    visit(nullptr, in_doubt());
  } else if (!x.loading) {
    visit(&x.owner, {});
    embed_missing(owner, x.owner);
  } else if (x.waiting.size() < options_.max_waiting) {
    x.waiting.push_back(std::move(visit));
  } else {
    visit(nullptr, {ec::overloaded, "too many requests wait for this owner's memories", {}});
  }
}

void shard_state::when_settled(const context& ctx, std::function<void(const failure&)> work) {
  if (settled_) {
    work({});
    return;
  }
  unsettled_.push_back(std::move(work));
  if (unsettled_.size() > 1)
    return;
  auto ask = self_->child(ctx);
  ask.deadline = 0; // others may wait longer
  auto over = [this](const failure& why) {
    settled_ = !why;
    for (auto& x : std::exchange(unsettled_, {}))
      x(why);
  };
  self_->request<caf::message_priority::high>(writer_, options_.load_timeout, ask, atom::drain_v)
      .then([over](atom::drained) { over({}); },
            [over](const caf::error&) {
              over({ec::timeout, "what was written before is not stored yet", {}, 1});
            });
}

void shard_state::load(const context& ctx, const owner_key& owner, const failure& why) {
  if (why) {
    memory_write nothing;
    nothing.owner = owner;
    loaded(std::move(nothing), why);
    return;
  }
  auto at = owners_.find(owner);
  if (at == owners_.end() || !at->second->loading)
    return; // it was given up meanwhile
  auto ask = self_->child(ctx);
  ask.deadline = 0; // whoever waits may give up, the next one wants the owner all the same
  self_->send(reader_, ask, atom::load_v, shard_actor{self_}, owner);
}

void shard_state::loaded(memory_write found, const failure& why) {
  auto at = owners_.find(found.owner);
  if (at == owners_.end() || !at->second->loading)
    return;
  auto waiting = std::exchange(at->second->waiting, {});
  --loading_;
  if (why) {
    // Forgotten, so that the next request tries again.
    owners_.erase(at);
    for (auto& visit : waiting)
      visit(nullptr, why);
    return;
  }
  auto& x = *at->second;
  x.loading = false;
  found.vectors.resize(found.memories.size());
  for (size_t i = 0; i < found.memories.size(); ++i)
    x.owner.index.add(std::move(found.memories[i]), found.vectors[i]);
  x.owner.next_seq = x.owner.index.next_seq();
  x.owner.erased = removals_;
  put_turns(x.owner, std::move(found.turns));
  for (auto& y : found.summaries)
    x.owner.summaries[y.conversation] = y;
  weigh(x);
  for (auto& visit : waiting)
    visit(&x.owner, {});
  embed_missing(found.owner, x.owner);
  evict();
}

failure shard_state::pointless(const context& ctx, const caf::response_promise& promise) {
  if (ctx.late(self_->nanos()))
    return {ec::timeout, "the deadline passed while the request waited", {}};
  auto& client = promise.source();
  if (client && client->get()->getf(caf::abstract_actor::is_terminated_flag))
    return {ec::cancelled, "nobody waits for the answer", {}};
  return {};
}

void shard_state::expire_loads(int64_t now) {
  for (auto& [key, x] : owners_) {
    if (x->loading && now - x->since > options_.load_timeout.count()) {
      memory_write nothing;
      nothing.owner = key;
      loaded(nothing, {ec::timeout, "the owner's memories could not be read in time", {}});
      break; // `loaded` erased an element; the others are seen at the next tick
    }
  }
}

} // namespace sotto
