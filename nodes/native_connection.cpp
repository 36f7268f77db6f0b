// FRONTEND: which calls run, and what is told of them.
#include "nodes/native_connection.hpp"

#include <spdlog/spdlog.h>

namespace sotto {

namespace {

/// With more waiting to be sent (bytes), tokens are gathered into larger pieces; with still more,
/// events are dropped.
constexpr size_t much_unsent = 64 << 10, too_much_unsent = 256 << 10;

/// A deadline that is further away is as good as this one; nothing that is added to it overflows.
constexpr int64_t longest_deadline = 365LL * 24 * 3600 * 1'000'000'000;

} // namespace

void native_connection_state::init(self_pointer self, std::shared_ptr<const native_parts> parts,
                                   std::shared_ptr<native_channel> channel,
                                   frontend_holder holder) {
  self_ = self;
  parts_ = std::move(parts);
  channel_ = std::move(channel);
  holder_ = std::move(holder);
}

void native_connection_state::tell(uint64_t number, native_answer body, priority level) {
  if (!channel_)
    return;
  native_answer_frame x;
  x.number = number;
  x.ctx.level = level;
  x.body = std::move(body);
  channel_->frame(to_bytes(x));
}

void native_connection_state::end(uint64_t number, native_answer body) {
  auto at = running_.find(number);
  if (at == running_.end())
    return; // it was cancelled
  tell(number, std::move(body), at->second.level);
  running_.erase(at);
  window_->ended();
  start_calls();
  close_if_drained();
}

void native_connection_state::hang_up(const failure& why) {
  if (!channel_ || std::exchange(closing_, true))
    return;
  spdlog::info("frontend {} is turned away: {}", holder_.name, why.message);
  tell(0, why);
  channel_->close();
}

void native_connection_state::frame(const std::string& bytes) {
  if (closing_ || !channel_)
    return;
  native_call_frame x;
  auto waits = false;
  if (auto why = from_bytes(bytes, x))
    hang_up(why);
  else if (auto* first = std::get_if<native_hello>(&x.body); first || !welcomed()) {
    if (first && !welcomed())
      hello(*first);
    else
      hang_up({ec::invalid, "the first frame must be the hello, and no other", {}});
  } else {
    waits = receive(std::move(x), bytes.size());
  }
  if (!channel_)
    return;
  // What waits is given back when it is started.
  channel_->taken(1, waits ? 0 : bytes.size());
  if (waits)
    start_calls();
}

/// Whether the call waits to be started.
bool native_connection_state::receive(native_call_frame x, size_t bytes) {
  // The deadline is told as the time that is left: clocks differ.
  auto ctx = self_->services().new_flow(self_->nanos(),
                                        std::clamp<int64_t>(x.ctx.deadline, 0, longest_deadline),
                                        who_.allowed(x.ctx.level));
  ctx.tenant = tenant_number(who_.tenant);
  if (x.ctx.trace_hi != 0 || x.ctx.trace_lo != 0) {
    ctx.trace_hi = x.ctx.trace_hi;
    ctx.trace_lo = x.ctx.trace_lo;
    ctx.parent = x.ctx.span;
    ctx.sampled = x.ctx.sampled;
  }
  if (control(x))
    return false;
  auto number = x.number;
  if (number <= last_number_) {
    hang_up({ec::invalid, "every call needs a number above that of the one before", {}});
    return false;
  }
  last_number_ = number;
  if (auto* wish = std::get_if<native_subscribe>(&x.body)) {
    subscribe({ctx, number, false, {}, 0}, std::move(*wish));
    return false;
  }
  if (draining_ || parts_->to->draining) {
    tell(number, native_returned{});
    return false;
  }
  if (auto why = who_.over_rate(self_->nanos())) {
    tell(number, why);
    return false;
  }
  using verdict = call_window<call>::verdict;
  switch (window_->arrive(ctx.level, {ctx, number, x.level_given, std::move(x.body), bytes})) {
  case verdict::taken:
    return true;
  case verdict::refused:
    tell(number, failure{ec::overloaded, "there is no credit for this call; wait for answers", {}});
    return false;
  default:
    hang_up({ec::overloaded, "too many calls came without credit", {}});
    return false;
  }
}

bool native_connection_state::control(const native_call_frame& x) {
  if (std::holds_alternative<native_alive>(x.body))
    tell(0, native_alive{});
  else if (std::holds_alternative<native_cancel>(x.body))
    cancel(x.number);
  else
    return false;
  return true;
}

void native_connection_state::cancel(uint64_t number) {
  failure why{ec::cancelled, "the call was cancelled", {}};
  if (auto waiting = window_->withdraw([&](const call& x) { return x.number == number; })) {
    channel_->taken(0, waiting->bytes);
    return tell(number, why);
  }
  auto at = running_.find(number);
  if (at == running_.end())
    return; // its answer is on the way
  if (at->second.home)
    cancel_turn(number, at->second, false);
  end(number, why);
}

void native_connection_state::cancel_turn(uint64_t number, const running_call& x, bool lost) {
  self_->send<caf::message_priority::high>(x.home, context{}, atom::cancel_v,
                                           turn_client_actor{self_}, number, x.owner,
                                           x.conversation, lost);
}

void native_connection_state::start_calls() {
  // A call that ends at once comes here again: the loop goes on instead of going deeper.
  if (std::exchange(starting_, true))
    return;
  while (auto next = window_->next()) {
    if (channel_)
      channel_->taken(0, next->bytes);
    running_[next->number].level = next->ctx.level;
    if (next->ctx.late(self_->nanos()))
      end(next->number, failure{ec::timeout, "the deadline passed while the call waited", {}});
    else
      serve(*next);
  }
  starting_ = false;
}

void native_connection_state::token(uint64_t number, stream_piece piece) {
  auto at = running_.find(number);
  if (at == running_.end() || !channel_)
    return;
  auto& x = at->second;
  if (auto now = x.pacer.arrived(std::move(piece), channel_->unsent() > much_unsent))
    tell(number, std::move(*now), x.level);
}

void native_connection_state::resumed(uint64_t number, bool recovered) {
  auto at = running_.find(number);
  if (at == running_.end())
    return;
  at->second.pacer.begin(recovered ? at->second.resume : 0);
  tell(number, native_resumed{recovered});
}

void native_connection_state::completed(uint64_t number, turn_reply reply) {
  auto at = running_.find(number);
  if (at == running_.end())
    return;
  auto& x = at->second;
  if (auto piece = x.stream ? x.pacer.last(reply.text) : std::nullopt)
    tell(number, std::move(*piece), x.level);
  end(number, std::move(reply));
}

void native_connection_state::failed(uint64_t number, const failure& why) {
  end(number, why);
}

void native_connection_state::event(const session_event& x) {
  auto at = wishes_.find({x.owner, x.conversation});
  if (at == wishes_.end() || !channel_ || closing_)
    return;
  auto fits = channel_->unsent() <= too_much_unsent;
  parts_->to->metrics.event(fits);
  if (!fits)
    return;
  tell(0, x);
  if (x.what == session_event::kind::lapsed)
    wishes_.erase(at);
}

void native_connection_state::closed() {
  for (auto& [number, x] : running_)
    if (x.home)
      cancel_turn(number, x, true);
  running_.clear();
  for (auto& [place, until] : wishes_)
    self_->send(parts_->to->home_of(place.owner), context{}, atom::subscribe_v,
                event_client_actor{self_}, place.owner, place.conversation, subscription{});
  wishes_.clear();
  channel_.reset();
  self_->quit();
}

void native_connection_state::check() {
  if (welcomed() && !parts_->door->holds(who_, self_->unix_micros()))
    hang_up({ec::invalid, "the API key is not valid any more", "key"});
}

void native_connection_state::drain() {
  draining_ = true;
  if (welcomed())
    tell(0, native_leaving{});
  close_if_drained();
}

void native_connection_state::close_if_drained() {
  if (draining_ && channel_ && (!welcomed() || window_->under_way() == 0)) {
    closing_ = true;
    channel_->close();
  }
}

native_connection_actor::behavior_type
native_connection(actor_of<native_connection_actor, native_connection_state>* self,
                  std::shared_ptr<const native_parts> parts,
                  std::shared_ptr<native_channel> channel, frontend_holder holder) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(channel), std::move(holder));
  return {
      [&state](const context&, atom::token, uint64_t number, stream_piece& x) {
        state.token(number, std::move(x));
      },
      [&state](const context&, atom::resumed, uint64_t number, bool recovered) {
        state.resumed(number, recovered);
      },
      [&state](const context&, atom::completed, uint64_t number, turn_reply& x) {
        state.completed(number, std::move(x));
      },
      [&state](const context&, atom::failed, uint64_t number, const failure& why) {
        state.failed(number, why);
      },
      [&state](const context&, atom::event, const session_event& x) { state.event(x); },
      [&state](const context&, atom::frame, const std::string& bytes) { state.frame(bytes); },
      [&state](const context&, atom::cancel) { state.closed(); },
      [&state](const context&, atom::drain) { state.drain(); },
      [&state](const context&, atom::tick) { state.check(); },
      [&state](const context&, atom::members) { state.tell_nodes(); },
  };
}

native_owner connect_frontends(caf::actor_system& system,
                               std::shared_ptr<const native_parts> parts) {
  return [&system, parts](std::shared_ptr<native_channel> channel,
                          const frontend_holder& holder) -> native_events {
    auto actor = system.spawn<caf::lazy_init>(native_connection, parts, std::move(channel), holder);
    return {
        [actor](std::string bytes) {
          caf::anon_send(actor, context{}, atom::frame_v, std::move(bytes));
        },
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::cancel_v); },
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::drain_v); },
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::tick_v); },
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::members_v); },
    };
  };
}

} // namespace sotto
