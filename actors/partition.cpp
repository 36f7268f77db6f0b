#include "actors/partition.hpp"

#include <spdlog/spdlog.h>

namespace sotto {

namespace {

constexpr size_t max_held = 64;
constexpr size_t max_shard_failures = 5;
constexpr int64_t failure_window = 60'000'000'000;

} // namespace

partition_state::~partition_state() {
  if (parts_)
    parts_->memory->live -= static_cast<int64_t>(sessions_.size());
  for (auto& [key, x] : sessions_)
    caf::anon_send_exit(x.session, caf::exit_reason::user_shutdown);
  if (shard_)
    caf::anon_send_exit(shard_, caf::exit_reason::user_shutdown);
}

void partition_state::init(self_pointer self, std::shared_ptr<const session_parts> parts,
                           shard_factory make_shard, listened_partition_actor successor) {
  self_ = self;
  successor_ = std::move(successor);
  parts_ = std::move(parts);
  make_shard_ = std::move(make_shard);
  kept_.init(parts_->memory);
}

const shard_actor& partition_state::shard() {
  if (!shard_) {
    shard_ = make_shard_(self_->home_system());
    self_->monitor(shard_);
  }
  return shard_;
}

void partition_state::say(waiting_turn turn) {
  if (auto* to = successor()) {
    self_->send(*to, turn.ctx, atom::say_v, std::move(turn.client), turn.ticket,
                std::move(turn.request));
    return;
  }
  if (draining_) {
    self_->send(turn.client, self_->child(turn.ctx), atom::failed_v, turn.ticket,
                failure{ec::unavailable, "the node is shutting down", {}});
    return;
  }
  auto ephemeral = turn.request.owner.owner.empty();
  if (auto* to = activate({turn.request.owner, turn.request.conversation}, ephemeral)) {
    forward(*to, std::move(turn));
    return;
  }
  self_->send(turn.client, self_->child(turn.ctx), atom::failed_v, turn.ticket,
              failure{ec::overloaded,
                      "the node holds as many conversations as it may, and all of them are in use; "
                      "try again later",
                      {},
                      1});
}

partition_state::entry* partition_state::activate(session_key key, bool ephemeral) {
  auto now = self_->nanos();
  auto at = sessions_.find(&key);
  if (at == sessions_.end()) {
    auto& memory = *parts_->memory;
    if (!make_room()) {
      ++memory.refused;
      return nullptr;
    }
    auto place = std::make_shared<session_place>(std::move(key));
    at = sessions_.try_emplace(&place->key).first;
    auto& x = at->second;
    x.place = std::move(place);
    x.started = now;
    if (!ephemeral && parts_->options.keep_context.count() > 0) {
      auto& [owner, conversation] = x.place->key;
      x.place->context = kept_.take(owner, conversation, now);
      ++(x.place->context ? memory.kept_hits : memory.kept_misses);
    }
    x.session =
        self_->home_system().spawn<caf::lazy_init>(session, parts_, shard(), ephemeral, x.place);
    self_->monitor(x.session);
    by_id_.emplace(x.session.id(), &*at);
    values_.enter(x.session.id(), x.worth, x.place->bytes);
    ++memory.live;
    ++memory.started;
    arm();
  } else {
    values_.used(at->second.worth, at->second.place->bytes);
  }
  at->second.last_used = now;
  return &at->second;
}

void partition_state::forward(entry& to, waiting_turn turn) {
  if (!to.passivating) {
    auto ctx = self_->child(turn.ctx);
    self_->send(to.session, ctx, atom::say_v, std::move(turn.client), turn.ticket,
                std::move(turn.request));
  } else if (to.passivating->turns.size() < max_held) {
    to.passivating->turns.push_back(std::move(turn));
  } else {
    self_->send(turn.client, self_->child(turn.ctx), atom::failed_v, turn.ticket,
                failure{ec::overloaded, "too many turns of this conversation are waiting", {}});
  }
}

void partition_state::cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
                             const owner_key& owner, const std::string& conversation, bool lost) {
  session_key key{owner, conversation};
  auto at = sessions_.find(&key);
  if (at == sessions_.end())
    return;
  if (auto* room = at->second.passivating.get())
    std::erase_if(room->turns, [&](auto& x) { return x.ticket == ticket && x.client == client; });
  self_->send<caf::message_priority::high>(at->second.session, self_->child(ctx), atom::cancel_v,
                                           client, ticket, lost);
}

void partition_state::listen(const context& ctx, const event_client_actor& client,
                             const owner_key& owner, const std::string& conversation,
                             const subscription& x) {
  if (auto* to = successor())
    self_->send(*to, ctx, atom::subscribe_v, client, owner, conversation, x);
  if (draining_)
    return;
  session_key key{owner, conversation};
  auto at = sessions_.find(&key);
  if (x.lease <= 0 && at == sessions_.end())
    return;
  auto* to = at == sessions_.end() ? activate(std::move(key), false) : &at->second;
  // Who finds no room comes again when it renews.
  if (to && !to->passivating)
    self_->send(to->session, self_->child(ctx), atom::subscribe_v, client, owner, conversation, x);
  else if (to && to->passivating->listeners.size() < max_held)
    to->passivating->listeners.push_back({client, x});
}

void partition_state::invalidate(const context& ctx, const owner_key& owner) {
  kept_.forget(owner);
  invalidate_sessions(ctx, [&](const owner_key& x) { return x == owner; });
}

caf::result<spoken_receipt> partition_state::erase_spoken(const context& ctx,
                                                          const spoken_by& what) {
  auto promise = self_->make_response_promise<spoken_receipt>();
  self_->request(memories(), parts_->options.store_timeout, self_->child(ctx), atom::forget_v, what)
      .then(
          [this, ctx, promise](spoken_receipt& x) mutable {
            std::unordered_set<owner_key> groups{x.groups.begin(), x.groups.end()};
            for (auto& group : groups)
              kept_.forget(group);
            invalidate_sessions(ctx, [&](const owner_key& y) { return groups.contains(y); });
            promise.deliver(std::move(x));
          },
          [this, ctx, what, promise](caf::error& err) mutable {
            kept_.clear(); // some may have been removed all the same
            invalidate_sessions(ctx, [&](const owner_key& y) {
              return is_group(y) && y.tenant == what.user.tenant;
            });
            promise.deliver(std::move(err));
          });
  return promise;
}

template <class F>
void partition_state::invalidate_sessions(const context& ctx, F which) {
  for (auto id : leaving_)
    if (auto at = by_id_.find(id); at != by_id_.end() && which(at->second->first->owner))
      at->second->second.outdated = true;
  for (auto& [key, x] : sessions_)
    if (which(key->owner))
      self_->send<caf::message_priority::high>(x.session, self_->child(ctx), atom::forget_v);
}

void partition_state::release(const session_key& key) {
  auto at = sessions_.find(&key);
  if (at == sessions_.end() || !at->second.passivating)
    return;
  auto& x = at->second;
  leaving_.erase(x.session.id());
  auto held = std::exchange(x.passivating, nullptr);
  // Not asked again before others were.
  x.last_used = self_->nanos();
  x.outdated = false;
  values_.enter(x.session.id(), x.worth, x.place->bytes);
  for (auto& y : held->listeners)
    listen({}, y.client, key.owner, key.conversation, y.what);
  for (auto& turn : held->turns)
    forward(x, std::move(turn));
  relieve();
}

void partition_state::down(const caf::down_msg& x) {
  if (shard_ && x.source == shard_)
    shard_down(x.reason);
  else
    ended(x.source.id());
}

void partition_state::ended(caf::actor_id id) {
  auto at = by_id_.find(id);
  if (at == by_id_.end())
    return;
  auto node = sessions_.extract(at->second->first);
  by_id_.erase(at);
  leaving_.erase(id);
  --parts_->memory->live;
  auto& key = *node.key();
  keep_context(node.mapped());
  if (auto held = std::move(node.mapped().passivating)) {
    for (auto& y : held->listeners)
      listen({}, y.client, key.owner, key.conversation, y.what);
    for (auto& turn : held->turns)
      say(std::move(turn));
  }
  values_.tidy(sessions_.size(), [this](auto y) { return worth_of(y); });
  relieve();
  end_if_drained();
}

void partition_state::shard_down(const caf::error& reason) {
  spdlog::error("shard of partition {} ended: {}", self_->id(), to_string(reason));
  shard_ = shard_actor{};
  for (auto& [key, x] : sessions_)
    self_->send_exit(x.session, caf::exit_reason::user_shutdown);
  auto now = self_->nanos();
  failures_.push_back(now);
  while (now - failures_.front() > failure_window)
    failures_.pop_front();
  if (failures_.size() > max_shard_failures)
    self_->quit(caf::make_error(caf::sec::runtime_error, "the shard keeps failing"));
}

caf::result<atom::drained> partition_state::drain(const context& ctx) {
  draining_ = true;
  drained_ = self_->make_response_promise<atom::drained>();
  kept_.clear();
  for (auto& [key, x] : sessions_)
    self_->send<caf::message_priority::high>(x.session, self_->child(ctx), atom::drain_v);
  auto promise = drained_;
  end_if_drained();
  return promise;
}

void partition_state::end_if_drained() {
  if (draining_ && sessions_.empty() && drained_.pending())
    drained_.deliver(atom::drained_v);
}

listened_partition_actor::behavior_type
partition(actor_of<listened_partition_actor, partition_state>* self,
          std::shared_ptr<const session_parts> parts, shard_factory make_shard,
          listened_partition_actor successor) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(make_shard), std::move(successor));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [&state](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
               turn_request& x) {
        state.say({ctx, std::move(client), ticket, std::move(x)});
      },
      [&state](const context& ctx, atom::cancel, const turn_client_actor& client, uint64_t ticket,
               const owner_key& owner, const std::string& conversation,
               bool lost) { state.cancel(ctx, client, ticket, owner, conversation, lost); },
      [&state](const context& ctx, atom::subscribe, const event_client_actor& client,
               const owner_key& owner, const std::string& conversation,
               const subscription& x) { state.listen(ctx, client, owner, conversation, x); },
      [&state](const context& ctx, atom::drain) { return state.drain(ctx); },
      [&state](const context&, atom::tick) { state.tick(); },
      [self](const context& ctx, atom::recall v, memory_query& x) {
        return self->delegate(self->state.memories(), self->child(ctx), v, std::move(x));
      },
      [self](const context& ctx, atom::remember v, memory_write& x) {
        self->state.written(x.owner);
        return self->delegate(self->state.memories(), self->child(ctx), v, std::move(x));
      },
      [self](const context& ctx, atom::list v, memory_page_query& x) {
        return self->delegate(self->state.memories(), self->child(ctx), v, std::move(x));
      },
      [self](const context& ctx, atom::remove v, owner_key& owner, std::string& id) {
        return self->state.erase<bool>(ctx, owner, v, owner, std::move(id));
      },
      [&state](const context& ctx, atom::forget, const spoken_by& what) {
        return state.erase_spoken(ctx, what);
      },
      [self](const context& ctx, atom::forget v, owner_key& owner) {
        return self->state.erase<forget_receipt>(ctx, owner, v, owner);
      },
  };
}

} // namespace sotto
