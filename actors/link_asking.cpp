// LINK's asking side: calls of this node to the peer.
#include <algorithm>

#include "actors/link.hpp"
#include "runtime/message_bytes.hpp"

namespace sotto {

namespace {

/// How much longer than a call's deadline its answer is waited for: it is the peer's to say that it
/// was late.
constexpr int64_t grace = 1'000'000'000;

uint64_t verb_of_call(const caf::message& x) {
  return x.size() > 1 && x.match_element<caf::atom_value>(1)
             ? static_cast<uint64_t>(x.get_as<caf::atom_value>(1))
             : 0;
}

constexpr uint64_t value(caf::atom_value x) {
  return static_cast<uint64_t>(x);
}

std::string conversation_key(const owner_key& owner, const std::string& conversation) {
  return fmt::format("{}:{}{}:{}{}", owner.tenant.size(), owner.tenant, owner.owner.size(),
                     owner.owner, conversation);
}

bool all_have_ids(const memory_write& x) {
  return std::all_of(x.memories.begin(), x.memories.end(), [](auto& y) { return !y.id.empty(); });
}

/// Conversations that listeners may be kept of; those beyond come again when they renew.
constexpr size_t most_listened = 100'000;

} // namespace

bool repeatable(const routed_call& x) {
  switch (verb_of_call(x.what)) {
  case value(atom::recall::value):
  case value(atom::list::value):
    return true;
  case value(atom::remember::value):
    return x.what.match_element<memory_write>(2) && all_have_ids(x.what.get_as<memory_write>(2));
  case value(atom::say::value):
    return x.what.match_element<turn_request>(2)
           && !x.what.get_as<turn_request>(2).idempotency_key.empty();
  default:
    return false;
  }
}

void refuse_call(caf::strong_actor_ptr from, const routed_call& x, const failure& why) {
  if (x.asker && x.request.is_request()) {
    x.asker->enqueue(std::move(from), x.request.response_id(), caf::make_message(to_error(why)),
                     nullptr);
    return;
  }
  auto ctx = x.ctx;
  ctx.deadline = 0; // an answer is worth hearing however late it is
  if (x.client)
    caf::anon_send<caf::message_priority::high>(x.client, ctx, atom::failed_v, x.ticket, why);
  else if (x.generating)
    caf::anon_send<caf::message_priority::high>(x.generating, ctx, atom::failed_v, x.ticket, why);
}

void link_state::answer(const routed_call& x, const failure& why) {
  refuse_call(self_->ctrl(), x, why);
}

void link_state::call(routed_call x) {
  if (x.listener) {
    x.what = subscribe(x);
    if (x.what.empty() || !together())
      return; // listeners renew their leases
  }
  if (x.client && x.what.match_element<turn_request>(2))
    if (auto& slot = x.what.get_as<turn_request>(2).slot)
      slot->yield(); // the peer's time is not this node's
  take_on(std::move(x));
}

void link_state::take_on(routed_call x) {
  auto now = self_->nanos();
  auto number = ++last_number_;
  auto& to = asked_[number];
  to.what = std::move(x);
  to.since = now;
  to.due =
      to.what.ctx.deadline != 0 ? to.what.ctx.deadline : now + parts_->options.call_timeout.count();
  if (to.what.client)
    turns_[{to.what.client->id(), to.what.ticket}] = number;
  else if (to.what.generating)
    turns_[{to.what.generating->id(), to.what.ticket}] = number;
  enqueue_call(number, to);
  arm();
}

void link_state::enqueue_call(uint64_t number, asked_call& x) {
  x.sent = false;
  x.bytes = message_to_bytes(self_->home_system(), x.what.what);
  link_frame frame;
  frame.number = number;
  frame.partition = x.what.partition;
  frame.level = x.what.ctx.level;
  queue(std::move(frame));
}

/// Puts in what a waiting frame lacks; false: it is not to be sent.
bool link_state::ready(link_frame& x) {
  if (x.kind != frame_kind::call)
    return true;
  auto at = asked_.find(x.number);
  if (at == asked_.end() || at->second.sent)
    return false;
  auto& call = at->second;
  if (call.what.ctx.deadline != 0)
    x.left = call.due - self_->nanos();
  if (x.left < 0) {
    answer(take_call(x.number),
           {ec::timeout, "the deadline passed while the call waited for another node", {}});
    return false;
  }
  x.bytes = std::exchange(call.bytes, {});
  call.sent = true;
  call.sent_at = self_->nanos();
  if (call.what.client)
    ++turns_there_[call.what.partition];
  if (call.what.listener)
    asked_.erase(at); // nothing answers it
  return true;
}

/// Takes out a call that is there.
routed_call link_state::take_call(uint64_t number) {
  auto x = std::move(asked_.extract(number).mapped());
  if (x.what.generating)
    turns_.erase({x.what.generating->id(), x.what.ticket});
  if (x.what.client) {
    turns_.erase({x.what.client->id(), x.what.ticket});
    auto there = x.sent ? turns_there_.find(x.what.partition) : turns_there_.end();
    if (there != turns_there_.end() && --there->second == 0)
      turns_there_.erase(there);
  }
  return std::move(x.what);
}

/// Nobody waits any more for a call that the peer has. `lost`: unless they ask again.
void link_state::tell_cancel(uint64_t number, bool lost) {
  urgent(frame_of(frame_kind::cancel, number, priority::normal,
                  caf::make_message(atom::cancel_v, lost)));
}

void link_state::cancel(const turn_client_actor& client, uint64_t ticket, bool lost) {
  auto name = turns_.find({client->id(), ticket});
  if (name == turns_.end())
    return;
  auto number = name->second;
  auto& call = asked_.at(number);
  if (call.sent)
    tell_cancel(number, lost);
  else if (lost && repeatable(call.what))
    return; // it goes on for who asks again
  go_on_settling(take_call(number).partition);
}

std::vector<uint64_t>
link_state::numbers_of(const std::function<bool(const asked_call&)>& which) const {
  std::vector<uint64_t> result;
  for (auto& [number, x] : asked_)
    if (which(x))
      result.push_back(number);
  std::sort(result.begin(), result.end());
  return result;
}

/// To ROUTE; a generation is none of its calls, and LLM ROUTE asks another node.
void link_state::give_back(uint64_t number) {
  auto x = take_call(number);
  if (x.generating)
    return answer(x, {ec::unavailable, fmt::format("node {} gave it back", peer_name_), {}, 1});
  self_->send<caf::message_priority::high>(parts_->route, context{}, atom::returned_v,
                                           std::move(x));
}

void link_state::asking_lost() {
  turns_there_.clear();
  for (auto number : numbers_of([](auto&) { return true; })) {
    auto& x = asked_.at(number);
    // LLM ROUTE tries another node, where there is one.
    if (x.what.generating || (x.sent && (x.begun || !repeatable(x.what)))) {
      answer(
          take_call(number),
          {ec::unavailable,
           fmt::format("node {} was lost while it worked on this; what became of it is not known",
                       peer_name_),
           {},
           1});
    } else if (syncing_.contains(x.what.partition)) {
      give_back(number);
    } else {
      enqueue_call(number, x);
    }
  }
  for (auto& [partition, x] : std::exchange(syncing_, {}))
    tell_settled(partition);
}

void link_state::expire(int64_t now) {
  auto hold = parts_->options.hold.count();
  auto over = [&](const asked_call& x) {
    return now > x.due + (x.sent ? grace : 0) || (!together() && now - x.since > hold);
  };
  for (auto number : numbers_of(over)) {
    auto late = now > asked_.at(number).due;
    if (asked_.at(number).sent)
      tell_cancel(number, true); // it would work on for nobody
    auto what = take_call(number);
    if (late)
      answer(what, {ec::timeout, fmt::format("node {} did not answer in time", peer_name_), {}});
    else
      answer(what, {ec::unavailable, fmt::format("node {} cannot be reached", peer_name_), {}, 1});
  }
  for (auto& [partition, x] : std::map{syncing_})
    go_on_settling(partition);
  // While nothing is sent, what was given up would keep its place.
  if (!together())
    queue_->remove_if([&](const link_frame& x) {
      return x.kind == frame_kind::call && !asked_.contains(x.number);
    });
}

void link_state::first_word(asked_call& x) {
  if (!std::exchange(x.begun, true))
    metrics_->answer->Observe(static_cast<double>(self_->nanos() - x.sent_at) / 1e9);
}

void link_state::take_piece(const link_frame& x) {
  auto at = asked_.find(x.number);
  auto what = message_from_bytes(self_->home_system(), x.bytes);
  if (at == asked_.end() || !what)
    return;
  auto& call = at->second;
  first_word(call);
  if (!call.what.client)
    return take_text(call.what, *what);
  auto ctx = self_->child(call.what.ctx);
  ctx.deadline = 0;
  if (what->match_elements<caf::atom_value, stream_piece>())
    self_->send(call.what.client, ctx, atom::token_v, call.what.ticket,
                std::move(what->get_mutable_as<stream_piece>(1)));
  else if (what->match_elements<caf::atom_value, bool>())
    self_->send(call.what.client, ctx, atom::resumed_v, call.what.ticket, what->get_as<bool>(1));
}

void link_state::take_answer(const link_frame& x) {
  auto at = asked_.find(x.number);
  if (at == asked_.end())
    return;
  first_word(at->second);
  auto call = take_call(x.number);
  go_on_settling(call.partition);
  auto what = message_from_bytes(self_->home_system(), x.bytes);
  if (!what)
    return answer(call, to_failure(what.error()));
  if (what->match_elements<caf::atom_value, failure>())
    return answer(call, what->get_as<failure>(1));
  if (call.asker && call.request.is_request()) {
    call.asker->enqueue(self_->ctrl(), call.request.response_id(), std::move(*what),
                        self_->context());
  } else if (!take_last(call, *what)) {
    answer(call, {ec::internal,
                  fmt::format("node {} (sotto {}) answered with something else than was asked for",
                              peer_name_, peer_version_),
                  {}});
  }
}

/// What came of a turn or a generation; false where it is neither's.
bool link_state::take_last(const routed_call& call, caf::message& what) {
  auto ctx = self_->child(call.ctx);
  ctx.deadline = 0;
  if (call.client && what.match_elements<caf::atom_value, turn_reply>())
    self_->send(call.client, ctx, atom::completed_v, call.ticket,
                std::move(what.get_mutable_as<turn_reply>(1)));
  else if (call.generating && what.match_elements<caf::atom_value, completion>())
    self_->send<caf::message_priority::high>(call.generating, ctx, atom::completed_v, call.ticket,
                                             std::move(what.get_mutable_as<completion>(1)));
  else
    return false;
  return true;
}

void link_state::take_moved(uint64_t number) {
  auto at = asked_.find(number);
  if (at == asked_.end())
    return;
  metrics_->moved.in->Increment();
  auto partition = at->second.what.partition;
  give_back(number);
  if (auto settles = syncing_.find(partition); settles != syncing_.end()) {
    settles->second.again = settles->second.synced;
    go_on_settling(partition);
  }
}

// Listeners: the peer knows one, this LINK.

caf::message link_state::subscribe(routed_call& x) {
  if (!x.what.match_elements<context, caf::atom_value, owner_key, std::string, subscription>())
    return {};
  auto now = self_->nanos();
  auto& owner = x.what.get_as<owner_key>(2);
  auto& conversation = x.what.get_as<std::string>(3);
  auto wanted = x.what.get_as<subscription>(4);
  auto key = conversation_key(owner, conversation);
  if (wanted.lease > 0 && listeners_.size() >= most_listened && !listeners_.contains(key))
    return {};
  auto& all = listeners_[key];
  std::erase_if(all, [&](auto& y) { return y.client == x.listener || y.until <= now; });
  if (wanted.lease > 0)
    all.push_back({x.listener, wanted.kinds, now + wanted.lease});
  wanted.kinds = 0;
  wanted.lease = 0;
  for (auto& y : all) {
    wanted.kinds |= y.kinds;
    wanted.lease = std::max(wanted.lease, y.until - now);
  }
  if (all.empty())
    listeners_.erase(key);
  return caf::make_message(x.ctx, atom::subscribe_v, owner, conversation, wanted);
}

void link_state::take_event(const link_frame& x) {
  auto what = message_from_bytes(self_->home_system(), x.bytes);
  if (!what || !what->match_elements<session_event>())
    return;
  auto& event = what->get_as<session_event>(0);
  auto at = listeners_.find(conversation_key(event.owner, event.conversation));
  if (at == listeners_.end())
    return;
  auto lapsed = event.what == session_event::kind::lapsed;
  std::erase_if(at->second, [&](auto& y) { return y.until <= self_->nanos(); });
  context ctx;
  ctx.level = x.level;
  for (auto& y : at->second)
    if (lapsed || (y.kinds & event_bit(event.what)) != 0)
      self_->send(y.client, ctx, atom::event_v, event);
  if (lapsed || at->second.empty())
    listeners_.erase(at);
}

} // namespace sotto
