#include "actors/route.hpp"

#include "actors/link.hpp"
#include "runtime/message_bytes.hpp"

namespace sotto {

namespace {

constexpr caf::timespan tick_interval = std::chrono::milliseconds{50};

failure moving() {
  return {ec::unavailable, "the conversation is moving to another node; try again", {}, 1};
}

} // namespace

kept_call::~kept_call() {
  if (!owed_)
    return;
  try {
    refuse_call({}, *this, {ec::internal, "the node failed while it worked on this", {}});
  } catch (...) { // there is no memory to tell it with
  }
}

void route_state::init(self_pointer self, route_parts parts) {
  self_ = self;
  parts_ = std::move(parts);
  table_.resize(parts_.partitions);
  metrics_ = std::make_unique<route_metrics>(self->services().metrics);
  holds_ = std::make_unique<route_holds<kept_call>>(parts_.options.max_held,
                                                    parts_.options.max_held_bytes);
  self->mend = [this] { mend(); };
}

routed_call route_state::new_call(const context& ctx, const owner_key& owner) {
  return new_call(ctx, partition_of(owner, static_cast<uint32_t>(table_.size())));
}

routed_call route_state::new_call(const context& ctx, uint32_t partition) {
  routed_call x;
  x.order = ++last_order_;
  x.partition = partition;
  x.ctx = ctx;
  return x;
}

caf::typed_response_promise<spoken_receipt> route_state::forget_spoken(const context& ctx,
                                                                       spoken_by what) {
  if (what.partition < table_.size())
    return ask_in<spoken_receipt>(kept_call{new_call(ctx, what.partition)}, atom::forget_v,
                                  std::move(what));
  auto promise = self_->make_response_promise<spoken_receipt>();
  promise.deliver(to_error({ec::invalid, "there is no such partition", {}}));
  return promise;
}

bool route_state::is_link(const caf::strong_actor_ptr& x) const {
  return x && link_ids_.contains(x->id());
}

bool route_state::from_gate() const {
  auto& from = self_->current_sender();
  return gate_ && from && from->id() == gate_.id();
}

void route_state::say(const context& ctx, turn_client_actor client, uint64_t ticket,
                      turn_request request) {
  // ADMISSION had it, or has let it through: the next turn of the conversation may come after it.
  auto early = from_gate() || request.slot;
  request.slot.reset();
  if (link_ids_.contains(client.id())) {
    metrics_->sent_back();
    self_->send<caf::message_priority::high>(client, self_->child(ctx), atom::failed_v, ticket,
                                             partition_moved());
    return;
  }
  kept_call x{new_call(ctx, request.owner)};
  if (early) {
    x.order = ++last_early_;
    x.ctx.level = priority::normal; // as it came: none overtakes another on the way
  }
  x.client = std::move(client);
  x.ticket = ticket;
  x.what = caf::make_message(x.ctx, atom::say_v, std::move(request));
  if (!early || !was_cancelled(x))
    dispatch(std::move(x));
}

void route_state::listen(const context& ctx, event_client_actor client, const owner_key& owner,
                         const std::string& conversation, const subscription& what) {
  kept_call x{new_call(ctx, owner)};
  x.listener = std::move(client);
  x.what = caf::make_message(ctx, atom::subscribe_v, owner, conversation, what);
  dispatch(std::move(x));
}

void route_state::cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
                         const owner_key& owner, const std::string& conversation, bool lost) {
  auto partition = partition_of(owner, static_cast<uint32_t>(table_.size()));
  auto found = holds_->take_if(partition, [&](const routed_call& x) {
    // A turn with a key goes on for who asks again.
    return x.client == client && x.ticket == ticket && !(lost && repeatable(x));
  });
  if (!found.empty()) {
    for (auto& x : found)
      x.done();
    metrics_->holds(holds_->size(), holds_->bytes());
    return;
  }
  (lost ? lost_ : given_up_).add(client->id(), ticket);
  auto to = [&](const turn_home_actor& home) {
    if (home)
      self_->send<caf::message_priority::high>(home, self_->child(ctx), atom::cancel_v, client,
                                               ticket, owner, conversation, lost);
  };
  // The turn is where the partition was when it came: that may have been another place. What
  // ADMISSION does not find it sends on to the partition, or back where that is not here.
  auto back = from_gate();
  if (gate_ && !back) {
    to(gate_);
  } else {
    to(table_[partition].place.home);
    to(table_[partition].before);
  }
  if (back)
    return;
  for (auto& [node, link] : links_)
    self_->send<caf::message_priority::high>(link, self_->child(ctx), atom::cancel_v, client,
                                             ticket, lost);
}

/// Whether a turn that comes back was cancelled where it is not any more. Nobody waits for it then.
bool route_state::was_cancelled(kept_call& x) {
  if (!x.client)
    return false;
  auto gone = given_up_.take(x.client->id(), x.ticket)
              || (lost_.take(x.client->id(), x.ticket) && !repeatable(x));
  if (gone)
    x.done();
  return gone;
}

link_actor route_state::link_to(const std::string& node) const {
  auto at = links_.find(node);
  return at == links_.end() ? link_actor{} : at->second;
}

/// Whether what comes now may go on at once.
bool route_state::open(uint32_t partition) const {
  auto& at = table_[partition];
  if (!at.settling.empty() || at.again != 0 || at.emptying)
    return false;
  if (at.place.at == route_place::kind::here)
    return !parts_.lease || parts_.lease->holds(partition, at.place.epoch);
  return at.place.at == route_place::kind::peer && links_.contains(at.place.node);
}

void route_state::dispatch(kept_call x) {
  auto& at = table_[x.partition];
  if (open(x.partition) && holds_->empty(x.partition))
    deliver(at, std::move(x));
  else
    hold(std::move(x));
}

void route_state::deliver(partition_place& at, kept_call x) {
  metrics_->passed(at.place.at == route_place::kind::here);
  if (at.place.at == route_place::kind::here) {
    deliver_here(at.place.home, x);
  } else {
    at.used = true;
    self_->send<caf::message_priority::high>(link_to(at.place.node), self_->child(x.ctx),
                                             atom::call_v, routed_call{x});
  }
  x.done();
}

void route_state::deliver_here(const listened_partition_actor& home, kept_call& x) {
  auto ctx = self_->child(x.ctx);
  if (x.client) {
    // Turns are bounded by ADMISSION; as control they keep their order, and none is overtaken by
    // `settle` or the partition's `drain`.
    self_->send<caf::message_priority::high>(gate_ ? turn_home_actor{gate_} : turn_home_actor{home},
                                             ctx, atom::say_v, x.client, x.ticket,
                                             std::move(x.what.get_mutable_as<turn_request>(2)));
  } else if (x.listener) {
    self_->send(home, ctx, atom::subscribe_v, std::move(x.listener), x.what.get_as<owner_key>(2),
                x.what.get_as<std::string>(3), x.what.get_as<subscription>(4));
  } else {
    x.what.get_mutable_as<context>(0) = ctx;
    caf::actor_cast<caf::strong_actor_ptr>(home)->enqueue(x.asker, x.request, std::move(x.what),
                                                          self_->context());
  }
}

void route_state::refuse(kept_call& x, const failure& why) {
  refuse_call(self_->ctrl(), x, why);
  x.done();
}

void route_state::hold(kept_call x) {
  if (draining_)
    return refuse(x, {ec::unavailable, "the node is shutting down", {}});
  x.held_since = self_->nanos();
  auto until = x.held_since + parts_.options.hold.count() - x.held;
  if (x.ctx.deadline != 0)
    until = std::min(until, x.ctx.deadline);
  auto bytes = message_to_bytes(self_->home_system(), x.what).size();
  auto partition = x.partition;
  auto order = x.order;
  auto level = x.ctx.level;
  for (auto& y : holds_->add(partition, order, level, bytes, until, std::move(x))) {
    metrics_->refused(route_metrics::why::full);
    refuse(y, {ec::overloaded, "too much waits for conversations that move", {}, 1});
  }
  metrics_->holds(holds_->size(), holds_->bytes());
  arm();
}

void route_state::release(uint32_t partition) {
  auto& at = table_[partition];
  while (open(partition)) {
    auto x = holds_->next(partition);
    if (!x)
      break;
    x->held += self_->nanos() - x->held_since;
    self_->attempt([&] { deliver(at, std::move(*x)); });
  }
  metrics_->holds(holds_->size(), holds_->bytes());
}

void route_state::arm() {
  if (armed_)
    return;
  self_->delayed_send<caf::message_priority::high>(self_, tick_interval, context{}, atom::tick_v);
  armed_ = true;
}

void route_state::tick() {
  armed_ = false;
  auto now = self_->nanos();
  for (auto& x : holds_->expired(now)) {
    auto late = x.ctx.late(now);
    metrics_->refused(late ? route_metrics::why::late : route_metrics::why::moving);
    refuse(x, late ? failure{ec::timeout, "the deadline passed while the conversation moved", {}}
                   : moving());
  }
  metrics_->holds(holds_->size(), holds_->bytes());
  for (uint32_t i = 0; again_ > 0 && i < table_.size(); ++i)
    if (auto& at = table_[i]; at.again != 0 && now >= at.again) {
      settle(i, at, at.place.node);
      release(i); // where there is nobody to settle with any more
    }
  if (std::exchange(mended_, false))
    for (uint32_t i = 0; i < table_.size(); ++i)
      release(i);
  if (holds_->size() > 0 || again_ > 0)
    arm();
}

void route_state::drain() {
  draining_ = true;
  for (auto& x : holds_->clear())
    refuse(x, {ec::unavailable, "the node is shutting down", {}});
}

void route_state::mend() {
  holds_->recount();
  metrics_->holds(holds_->size(), holds_->bytes());
  again_ = static_cast<size_t>(
      std::count_if(table_.begin(), table_.end(), [](auto& x) { return x.again != 0; }));
  mended_ = true;
  arm();
}

route_actor::behavior_type route(lasting_actor_of<route_actor, route_state>* self,
                                 route_parts parts) {
  auto& state = self->state;
  state.init(self, std::move(parts));
  self->set_exit_handler([self](caf::exit_msg& x) {
    self->state.drain();
    self->quit(std::move(x.reason));
  });
  return {
      [&state](const context& ctx, atom::recall v, memory_query& x) {
        auto owner = x.owner;
        return state.ask<std::vector<recalled>>(ctx, v, owner, std::move(x));
      },
      [&state](const context& ctx, atom::remember v, memory_write& x) {
        auto owner = x.owner;
        return state.ask<memory_receipt>(ctx, v, owner, std::move(x));
      },
      [&state](const context& ctx, atom::list v, memory_page_query& x) {
        auto owner = x.owner;
        return state.ask<memory_page>(ctx, v, owner, std::move(x));
      },
      [&state](const context& ctx, atom::remove v, const owner_key& owner, std::string& id) {
        return state.ask<bool>(ctx, v, owner, owner, std::move(id));
      },
      [&state](const context& ctx, atom::forget v, const owner_key& owner) {
        return state.ask<forget_receipt>(ctx, v, owner, owner);
      },
      [&state](const context& ctx, atom::forget, spoken_by& what) {
        return state.forget_spoken(ctx, std::move(what));
      },
      [&state](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
               turn_request& x) { state.say(ctx, std::move(client), ticket, std::move(x)); },
      [&state](const context& ctx, atom::cancel, const turn_client_actor& client, uint64_t ticket,
               const owner_key& owner, const std::string& conversation,
               bool lost) { state.cancel(ctx, client, ticket, owner, conversation, lost); },
      [&state](const context&, atom::drain) {
        state.drain();
        return atom::drained_v;
      },
      [&state](const context&, atom::tick) { state.tick(); },
      [&state](const context& ctx, atom::subscribe, event_client_actor& client,
               const owner_key& owner, const std::string& conversation, const subscription& x) {
        state.listen(ctx, std::move(client), owner, conversation, x);
      },
      [&state](const context&, atom::returned, routed_call& x) { state.returned(std::move(x)); },
      [&state](const context&, atom::settled, uint32_t partition, const std::string& node) {
        state.settled(partition, node);
      },
      [&state](const context&, atom::place, uint32_t partition, route_place& x) {
        state.placed(partition, std::move(x));
      },
      [&state](const context&, atom::settle, uint32_t partition) {
        return state.settle_here(partition);
      },
      [&state](const context&, atom::peer, const std::string& node, const link_actor& x) {
        state.linked(node, x);
      },
  };
}

} // namespace sotto
