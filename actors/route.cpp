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

void route_state::init(self_pointer self, const link_options& with, uint32_t partitions) {
  self_ = self;
  with_ = with;
  table_.resize(partitions);
  holds_ = std::make_unique<route_holds<routed_call>>(with.max_held, with.max_held_bytes);
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
    return ask_in<spoken_receipt>(new_call(ctx, what.partition), atom::forget_v, std::move(what));
  auto promise = self_->make_response_promise<spoken_receipt>();
  promise.deliver(to_error({ec::invalid, "there is no such partition", {}}));
  return promise;
}

void route_state::say(const context& ctx, turn_client_actor client, uint64_t ticket,
                      turn_request request) {
  auto x = new_call(ctx, request.owner);
  x.client = std::move(client);
  x.ticket = ticket;
  x.what = caf::make_message(ctx, atom::say_v, std::move(request));
  dispatch(std::move(x));
}

void route_state::listen(const context& ctx, event_client_actor client, const owner_key& owner,
                         const std::string& conversation, const subscription& what) {
  auto x = new_call(ctx, owner);
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
  if (!found.empty())
    return;
  // The turn runs where the partition was when it came: that may have been another place.
  if (table_[partition].place.home)
    self_->send<caf::message_priority::high>(table_[partition].place.home, self_->child(ctx),
                                             atom::cancel_v, client, ticket, owner, conversation,
                                             lost);
  for (auto& [node, link] : links_)
    self_->send<caf::message_priority::high>(link, self_->child(ctx), atom::cancel_v, client,
                                             ticket, lost);
}

link_actor route_state::link_to(const std::string& node) const {
  auto at = links_.find(node);
  return at == links_.end() ? link_actor{} : at->second;
}

/// Whether what comes now may go on at once.
bool route_state::open(const partition_place& at) const {
  if (!at.settling.empty() || at.again != 0)
    return false;
  return at.place.at == route_place::kind::here
         || (at.place.at == route_place::kind::peer && links_.contains(at.place.node));
}

void route_state::dispatch(routed_call x) {
  auto& at = table_[x.partition];
  if (open(at) && holds_->empty(x.partition))
    deliver(at, std::move(x));
  else
    hold(std::move(x));
}

void route_state::deliver(partition_place& at, routed_call x) {
  if (at.place.at == route_place::kind::here)
    return deliver_here(at.place.home, x);
  at.used = true;
  self_->send<caf::message_priority::high>(link_to(at.place.node), self_->child(x.ctx),
                                           atom::call_v, std::move(x));
}

void route_state::deliver_here(const listened_partition_actor& home, routed_call& x) {
  auto ctx = self_->child(x.ctx);
  if (x.client) {
    // Turns are bounded by ADMISSION; as control they keep their order, and none is overtaken by
    // the partition's `drain`.
    self_->send<caf::message_priority::high>(home, ctx, atom::say_v, std::move(x.client), x.ticket,
                                             std::move(x.what.get_mutable_as<turn_request>(2)));
  } else if (x.listener) {
    self_->send(home, ctx, atom::subscribe_v, std::move(x.listener), x.what.get_as<owner_key>(2),
                x.what.get_as<std::string>(3), x.what.get_as<subscription>(4));
  } else {
    x.what.get_mutable_as<context>(0) = ctx;
    caf::actor_cast<caf::strong_actor_ptr>(home)->enqueue(std::move(x.asker), x.request,
                                                          std::move(x.what), self_->context());
  }
}

void route_state::hold(routed_call x) {
  if (draining_)
    return refuse_call(self_->ctrl(), x, {ec::unavailable, "the node is shutting down", {}});
  auto until = self_->nanos() + with_.hold.count();
  if (x.ctx.deadline != 0)
    until = std::min(until, x.ctx.deadline);
  auto bytes = message_to_bytes(self_->home_system(), x.what).size();
  auto partition = x.partition;
  auto order = x.order;
  auto level = x.ctx.level;
  for (auto& y : holds_->add(partition, order, level, bytes, until, std::move(x)))
    refuse_call(self_->ctrl(), y,
                {ec::overloaded, "too much waits for conversations that move", {}, 1});
  arm();
}

void route_state::release(uint32_t partition) {
  auto& at = table_[partition];
  while (open(at)) {
    auto x = holds_->next(partition);
    if (!x)
      return;
    deliver(at, std::move(*x));
  }
}

void route_state::settle(uint32_t partition, partition_place& at) {
  if (at.again != 0)
    --again_;
  at.again = 0;
  at.used = false;
  auto link = link_to(at.place.node);
  if (!link)
    return;
  at.settling = at.place.node;
  self_->send<caf::message_priority::high>(link, context{}, atom::settle_v, partition);
}

void route_state::placed(uint32_t partition, route_place place) {
  if (partition >= table_.size())
    return;
  auto& at = table_[partition];
  if (at.place.at == route_place::kind::peer && at.settling.empty() && at.used
      && (place.at != route_place::kind::peer || place.node != at.place.node))
    settle(partition, at);
  if (at.place.node != place.node && at.again != 0) {
    at.again = 0;
    --again_;
  }
  at.place = std::move(place);
  release(partition);
}

void route_state::linked(const std::string& node, link_actor link) {
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

void route_state::returned(routed_call x) {
  auto& at = table_[x.partition];
  if (at.place.at == route_place::kind::peer && at.settling.empty() && at.again == 0
      && links_.contains(at.place.node)) {
    at.again = self_->nanos() + with_.hold_retry.count();
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

void route_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  self_->delayed_send<caf::message_priority::high>(self_, tick_interval, context{}, atom::tick_v);
}

void route_state::tick() {
  armed_ = false;
  auto now = self_->nanos();
  for (auto& x : holds_->expired(now))
    refuse_call(self_->ctrl(), x,
                x.ctx.late(now)
                    ? failure{ec::timeout, "the deadline passed while the conversation moved", {}}
                    : moving());
  for (uint32_t i = 0; again_ > 0 && i < table_.size(); ++i)
    if (auto& at = table_[i]; at.again != 0 && now >= at.again) {
      settle(i, at);
      release(i); // where there is nobody to settle with any more
    }
  if (holds_->size() > 0 || again_ > 0)
    arm();
}

void route_state::drain() {
  draining_ = true;
  for (auto& x : holds_->clear())
    refuse_call(self_->ctrl(), x, {ec::unavailable, "the node is shutting down", {}});
}

route_actor::behavior_type route(actor_of<route_actor, route_state>* self, link_options with,
                                 uint32_t partitions) {
  auto& state = self->state;
  state.init(self, with, partitions);
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
      [](const context&, atom::settle, uint32_t) { return atom::settled_v; },
      [&state](const context&, atom::peer, const std::string& node, const link_actor& x) {
        state.linked(node, x);
      },
  };
}

} // namespace sotto
