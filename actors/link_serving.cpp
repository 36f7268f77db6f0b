// LINK's serving side: calls of the peer to this node.
#include "actors/link.hpp"
#include "runtime/message_bytes.hpp"

namespace sotto {

namespace {

/// While the peer takes nothing, the pieces of one reply are gathered up to this.
constexpr size_t most_gathered = 64 << 10;

/// A deadline that is further away is as good as this one; nothing that is added to it overflows.
constexpr int64_t longest_left = 365LL * 24 * 3600 * 1'000'000'000;

constexpr uint64_t value(caf::atom_value x) {
  return static_cast<uint64_t>(x);
}

/// Whether it is a request of PARTITION's protocol that may come from another node.
bool is_request(const caf::message& x) {
  switch (value(x.get_as<caf::atom_value>(1))) {
  case value(atom::recall::value):
    return x.match_elements<context, caf::atom_value, memory_query>();
  case value(atom::remember::value):
    return x.match_elements<context, caf::atom_value, memory_write>();
  case value(atom::list::value):
    return x.match_elements<context, caf::atom_value, memory_page_query>();
  case value(atom::remove::value):
    return x.match_elements<context, caf::atom_value, owner_key, std::string>();
  case value(atom::forget::value):
    return x.match_elements<context, caf::atom_value, owner_key>()
           || x.match_elements<context, caf::atom_value, spoken_by>();
  default:
    return false;
  }
}

bool has_verb(const caf::message& x, caf::atom_value verb) {
  return x.get_as<caf::atom_value>(1) == verb;
}

} // namespace

void link_state::serve(link_frame& x) {
  if (x.left < 0)
    return say_failed(x.number, {ec::timeout, "the deadline passed before the call was sent", {}});
  x.left = std::min(x.left, longest_left);
  if (moved_.contains(x.partition))
    return say_moved(x.number, x.partition);
  auto read = message_from_bytes(self_->home_system(), x.bytes);
  if (!read)
    return say_failed(x.number, to_failure(read.error()));
  auto& what = *read;
  auto known =
      what.size() > 2 && what.match_element<context>(0) && what.match_element<caf::atom_value>(1);
  if (known) {
    // The deadline is told as the time that is left: clocks differ.
    auto& ctx = what.get_mutable_as<context>(0);
    ctx.deadline = x.left > 0 ? self_->nanos() + x.left : 0;
    ctx = self_->child(ctx);
    if (has_verb(what, atom::say::value)
        && what.match_elements<context, caf::atom_value, turn_request>())
      return serve_turn(x, what);
    if (is_request(what))
      return serve_request(x, what);
    if (has_verb(what, atom::generate::value)
        && what.match_elements<context, caf::atom_value, generation>())
      return serve_generation(x, what);
    if (has_verb(what, atom::subscribe::value)
        && what.match_elements<context, caf::atom_value, owner_key, std::string, subscription>()) {
      if (auto home = parts_->home(x.partition))
        self_->send(home, ctx, atom::subscribe_v, event_client_actor{self_},
                    what.get_as<owner_key>(2), what.get_as<std::string>(3),
                    what.get_as<subscription>(4));
      return;
    }
  }
  say_failed(x.number,
             {ec::invalid, "this node (sotto " SOTTO_VERSION ") does not know such a call", {}});
}

void link_state::serve_turn(const link_frame& x, caf::message& what) {
  auto home = parts_->turns(x.partition);
  if (!home)
    return say_moved(x.number, x.partition);
  auto& ctx = what.get_as<context>(0);
  auto& request = what.get_mutable_as<turn_request>(2);
  // Decided where the turn came in.
  request.level = ctx.level;
  request.level_given = true;
  auto ticket = take_in(x, ctx);
  auto& to = served_.at(ticket);
  to.home = home;
  to.owner = request.owner;
  to.conversation = request.conversation;
  self_->send(home, ctx, atom::say_v, turn_client_actor{self_}, ticket, std::move(request));
}

/// Returns the ticket of a call that begins.
uint64_t link_state::take_in(const link_frame& x, const context& ctx) {
  give_up_served(x.number, true);
  auto ticket = ++last_ticket_;
  tickets_[x.number] = ticket;
  auto& to = served_[ticket];
  to.number = x.number;
  to.ctx = ctx;
  to.partition = x.partition;
  to.due = self_->nanos() + parts_->options.call_timeout.count() + x.left;
  arm();
  return ticket;
}

void link_state::serve_request(const link_frame& x, caf::message& what) {
  auto home = parts_->home(x.partition);
  if (!home)
    return say_moved(x.number, x.partition);
  auto ticket = take_in(x, what.get_as<context>(0));
  served_.at(ticket).asked =
      self_->ask(caf::actor_cast<caf::strong_actor_ptr>(home), ticket, std::move(what));
}

void link_state::serve_cancel(const link_frame& x) {
  auto what = message_from_bytes(self_->home_system(), x.bytes);
  if (what && what->match_elements<caf::atom_value, bool>())
    give_up_served(x.number, what->get_as<bool>(1));
}

/// Ends what the peer calls `number`, where that is a call.
void link_state::give_up_served(uint64_t number, bool lost) {
  auto name = tickets_.find(number);
  if (name == tickets_.end())
    return;
  auto ticket = name->second;
  abandon(ticket, take_served(served_.find(ticket)), lost);
}

/// Nobody waits for it any more.
void link_state::abandon(uint64_t ticket, const served_call& x, bool lost) {
  if (x.home)
    self_->send<caf::message_priority::high>(x.home, self_->child(x.ctx), atom::cancel_v,
                                             turn_client_actor{self_}, ticket, x.owner,
                                             x.conversation, lost);
  else if (x.model)
    self_->send<caf::message_priority::high>(x.model, self_->child(x.ctx), atom::cancel_v,
                                             llm_client_actor{self_}, ticket);
  else
    self_->forget(x.asked);
}

link_state::served_call
link_state::take_served(std::unordered_map<uint64_t, served_call>::iterator at) {
  auto x = std::move(at->second);
  tickets_.erase(x.number);
  served_.erase(at);
  if (x.model)
    --*parts_->generating;
  return x;
}

void link_state::serving_lost() {
  while (!served_.empty()) {
    auto at = served_.begin();
    auto ticket = at->first;
    abandon(ticket, take_served(at), true);
  }
  gathering_.clear();
  moved_.clear();
}

void link_state::expire_served(int64_t now) {
  for (auto at = served_.begin(); at != served_.end();) {
    auto here = at++;
    if (now <= here->second.due)
      continue;
    auto ticket = here->first;
    abandon(ticket, take_served(here), true);
  }
}

void link_state::say_moved(uint64_t number, uint32_t partition) {
  moved_.insert(partition);
  metrics_->moved.out->Increment();
  link_frame x;
  x.kind = frame_kind::moved;
  x.number = number;
  x.partition = partition;
  urgent(std::move(x));
}

void link_state::say_failed(uint64_t number, const failure& why) {
  urgent(frame_of(frame_kind::answer, number, priority::normal,
                  caf::make_message(atom::failed_v, why)));
}

void link_state::finish(uint64_t ticket, const caf::message& last) {
  auto at = served_.find(ticket);
  if (at == served_.end())
    return;
  auto call = take_served(at);
  if (flush_piece(ticket, call))
    queue(frame_of(frame_kind::answer, call.number, call.ctx.level, last));
  else
    say_failed(call.number, no_room());
}

void link_state::piece(const context&, uint64_t ticket, const stream_piece& x) {
  auto at = served_.find(ticket);
  if (at == served_.end())
    return;
  auto& to = at->second;
  auto& gathered = to.gathered;
  if (!gathered.text.empty() && gathered.offset + gathered.text.size() != x.offset
      && !flush_piece(ticket, to))
    return;
  if (gathered.text.empty())
    gathered.offset = x.offset;
  gathered.text += x.text;
  ++to.pieces;
  // The first is what the user waits for.
  auto enough = to.pieces >= parts_->options.gather_pieces && queue_->empty();
  if (!std::exchange(to.spoken, true) || enough || gathered.text.size() >= most_gathered) {
    flush_piece(ticket, to);
    return;
  }
  gathering_.insert(ticket);
  if (!std::exchange(gathering_armed_, true))
    self_->delayed_send<caf::message_priority::high>(self_, parts_->options.gather, context{},
                                                     atom::token_v);
}

/// False: there was no room for it, and the call is over.
bool link_state::flush_piece(uint64_t ticket, served_call& x) {
  if (x.gathered.text.empty())
    return true;
  x.pieces = 0;
  gathering_.erase(ticket);
  return queue(frame_of(frame_kind::piece, x.number, x.ctx.level,
                        caf::make_message(atom::token_v, std::exchange(x.gathered, {}))));
}

void link_state::gathered() {
  gathering_armed_ = false;
  for (auto ticket : std::vector<uint64_t>(gathering_.begin(), gathering_.end())) {
    auto at = served_.find(ticket);
    if (at == served_.end())
      gathering_.erase(ticket);
    else if (queue_->empty() || at->second.gathered.text.size() >= most_gathered)
      flush_piece(ticket, at->second);
  }
  if (!gathering_.empty() && !std::exchange(gathering_armed_, true))
    self_->delayed_send<caf::message_priority::high>(self_, parts_->options.gather, context{},
                                                     atom::token_v);
}

void link_state::resumed(uint64_t ticket, bool recovered) {
  auto at = served_.find(ticket);
  if (at == served_.end())
    return;
  at->second.spoken = true;
  auto level = at->second.ctx.level;
  auto number = at->second.number;
  if (flush_piece(ticket, at->second))
    queue(
        frame_of(frame_kind::piece, number, level, caf::make_message(atom::resumed_v, recovered)));
}

void link_state::completed(uint64_t ticket, turn_reply& reply) {
  finish(ticket, caf::make_message(atom::completed_v, std::move(reply)));
}

void link_state::failed(uint64_t ticket, const failure& why) {
  auto at = served_.find(ticket);
  if (at == served_.end())
    return;
  if (has_moved(why) && !at->second.spoken) {
    auto call = take_served(at);
    return say_moved(call.number, call.partition);
  }
  finish(ticket, caf::make_message(atom::failed_v, why));
}

void link_state::answered(uint64_t ticket, const caf::message& answer) {
  if (!answer.match_elements<caf::error>())
    return finish(ticket, answer);
  failed(ticket, to_failure(answer.get_as<caf::error>(0)));
}

void link_state::event(const context& ctx, session_event& x) {
  queue(frame_of(frame_kind::event, 0, ctx.level, caf::make_message(std::move(x))));
}

} // namespace sotto
