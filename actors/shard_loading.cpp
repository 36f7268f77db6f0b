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
    at->second->number = next_load_++;
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
  if (why)
    return fail_load(owner, why);
  auto at = owners_.find(owner);
  if (at == owners_.end() || !at->second->loading)
    return; // it was given up meanwhile
  auto ask = self_->child(ctx);
  ask.deadline = 0; // whoever waits may give up, the next one wants the owner all the same
  self_->send(reader_, ask, atom::load_v, shard_actor{self_}, owner);
}

void shard_state::loaded(const context& ctx, memory_write found, const failure& why) {
  auto at = owners_.find(found.owner);
  if (at == owners_.end() || !at->second->loading || at->second->asked != 0)
    return; // it was given up meanwhile, or was asked for twice
  if (why)
    return fail_load(found.owner, why);
  auto& x = *at->second;
  put_turns(x.owner, std::move(found.turns));
  for (auto& y : found.summaries)
    x.owner.summaries[y.conversation] = y;
  take_part(ctx, x, std::move(found));
}

void shard_state::ask_on(const context& ctx, const owner_key& owner, entry& x, uint64_t after) {
  x.asked = after;
  x.since = self_->nanos();
  auto ask = self_->child(ctx);
  ask.deadline = 0;
  auto still = [this, owner, number = x.number] {
    auto at = owners_.find(owner);
    return at != owners_.end() && at->second->number == number ? at->second.get() : nullptr;
  };
  self_->request(reader_, options_.load_timeout, ask, atom::load_v, owner, after)
      .then(
          [this, ctx, still](memory_write& part) {
            if (auto* y = still())
              take_part(ctx, *y, std::move(part));
          },
          [this, owner, still](const caf::error& why) {
            if (still())
              fail_load(owner, to_failure(why));
          });
}

void shard_state::take_part(const context& ctx, entry& x, memory_write part) {
  auto more = part.memories.size() >= part_rows;
  if (more) // first, so that the next part is read while this one is taken in
    ask_on(ctx, part.owner, x, part.memories.back().seq);
  part.vectors.resize(part.memories.size());
  for (size_t i = 0; i < part.memories.size(); ++i)
    x.owner.index.add(std::move(part.memories[i]), part.vectors[i]);
  weigh(x);
  if (!more)
    end_load(part.owner, x);
}

void shard_state::end_load(const owner_key& owner, entry& x) {
  x.loading = false;
  --loading_;
  x.owner.next_seq = x.owner.index.next_seq();
  x.owner.erased = removals_;
  for (auto& visit : std::exchange(x.waiting, {}))
    visit(&x.owner, {});
  embed_missing(owner, x.owner);
  evict();
}

void shard_state::fail_load(const owner_key& owner, const failure& why) {
  auto node = owners_.extract(owner); // forgotten, so that the next request tries again
  if (node.empty())
    return;
  --loading_;
  bytes_ -= node.mapped()->bytes;
  count_bytes(-static_cast<int64_t>(node.mapped()->bytes));
  for (auto& visit : node.mapped()->waiting)
    visit(nullptr, why);
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
  std::vector<owner_key> late;
  for (auto& [key, x] : owners_)
    if (x->loading && now - x->since > options_.load_timeout.count())
      late.push_back(key);
  for (auto& key : late)
    fail_load(key, {ec::timeout, "the owner's memories could not be read in time", {}});
}

} // namespace sotto
