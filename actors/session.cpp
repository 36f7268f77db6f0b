#include "actors/session.hpp"

#include <algorithm>

#include "runtime/logging.hpp"

namespace sotto {

namespace {

/// Replies kept for retries by their key, while the session lives.
constexpr size_t kept_replies = 8;

} // namespace

void session_state::init(self_pointer self, std::shared_ptr<const session_parts> parts,
                         shard_actor shard, bool ephemeral) {
  self_ = self;
  parts_ = std::move(parts);
  shard_ = std::move(shard);
  ephemeral_ = ephemeral;
}

template <class Verb, class T>
void session_state::tell(const queued_turn& turn, Verb verb, T what) {
  if (turn.askers.empty())
    return;
  auto ctx = [&] {
    auto result = self_->child(turn.ctx);
    result.deadline = 0;
    return result;
  };
  for (size_t i = 0; i + 1 < turn.askers.size(); ++i)
    self_->send(turn.askers[i].client, ctx(), verb, turn.askers[i].ticket, what);
  // There is one asker nearly always, and replies are large.
  auto& last = turn.askers.back();
  self_->send(last.client, ctx(), verb, last.ticket, std::move(what));
}

bool session_state::retried(waiting_turn& turn) {
  auto& key = turn.request.idempotency_key;
  if (key.empty())
    return false;
  auto same = [&](const queued_turn& x) { return x.request.idempotency_key == key; };
  queued_turn* known = turn_ && same(*turn_) ? turn_.get() : nullptr;
  if (!known && waiting_)
    known = waiting_->find_if(same);
  if (known && contradicts(turn, known->request.text))
    return true;
  if (known) {
    known->askers.push_back({std::move(turn.client), turn.ticket});
    return true;
  }
  for (auto& [kept, text, reply] : replies_) {
    if (kept != key)
      continue;
    if (contradicts(turn, text))
      return true;
    if (turn.request.stream)
      self_->send(turn.client, self_->child(turn.ctx), atom::token_v, turn.ticket, reply.text);
    self_->send(turn.client, self_->child(turn.ctx), atom::completed_v, turn.ticket, reply);
    return true;
  }
  return false;
}

bool session_state::contradicts(const waiting_turn& turn, const std::string& text) {
  if (turn.request.text == text)
    return false;
  self_->send(turn.client, self_->child(turn.ctx), atom::failed_v, turn.ticket,
              failure{ec::invalid,
                      "the idempotency key was used for another text of this conversation; give "
                      "each turn a key of its own",
                      "idempotency_key"});
  return true;
}

void session_state::say(waiting_turn turn) {
  if (retried(turn))
    return;
  silence_ended(turn.request.persona);
  if (!waiting_)
    waiting_ = std::make_unique<level_queue<queued_turn>>(parts_->options.max_waiting);
  auto level = turn.ctx.level;
  queued_turn next{turn.ctx, {{std::move(turn.client), turn.ticket}}, std::move(turn.request)};
  if (auto refused = waiting_->push(level, std::move(next)))
    tell(*refused, atom::failed_v,
         failure{ec::overloaded, "too many turns of this conversation are waiting", {}});
  if (!turn_)
    start_next();
}

void session_state::start_next() {
  auto next = waiting_ ? waiting_->pop() : std::nullopt;
  if (!next) {
    waiting_.reset();
    if ((ephemeral_ || draining_) && !speaking_)
      self_->quit();
    return;
  }
  turn_ = std::make_unique<running_turn>();
  static_cast<queued_turn&>(*turn_) = std::move(*next);
  ++turn_number_;
  turn_->started = self_->nanos();
  turn_->arrived = self_->unix_micros();
  if (turn_->ctx.deadline == 0)
    turn_->ctx.deadline = turn_->started + parts_->options.turn_timeout.count();
  if (turn_->ctx.late(turn_->started))
    fail({ec::timeout, "the deadline passed while the turn waited", {}});
  else
    start_helpers();
}

const persona_options& session_state::persona() const {
  // The gateway checked the name; a persona is never taken away while the node runs.
  return parts_->personas.at(turn_->request.persona);
}

void session_state::generate() {
  auto& request = turn_->request;
  auto& who = persona();
  generation ask;
  ask.deployments = who.llm;
  ask.model = who.model;
  ask.persona = who.name;
  ask.messages = build_prompt({who, request, turn_->reply.emotion, turn_->reply.memories, recent_},
                              parts_->options);
  ask.parameters = merge_parameters(request.parameters, who);
  ask.stream = request.stream;
  ask.emotion = turn_->reply.emotion;
  ask.memories = turn_->reply.memories;
  turn_->generating = true;
  tell_typing(turn_->ctx, true);
  self_->send(parts_->llm, self_->child(turn_->ctx), atom::generate_v, llm_client_actor{self_},
              turn_number_, std::move(ask));
}

void session_state::token(uint64_t ticket, const std::string& text) {
  if (!is_current(ticket) || !turn_->generating)
    return;
  tell(*turn_, atom::token_v, text);
}

void session_state::completed(uint64_t ticket, completion result) {
  if (speaking_ && ticket == speaking_->ticket)
    return composed(std::move(result.text));
  if (!is_current(ticket) || !turn_->generating)
    return;
  turn_->generating = false;
  auto& reply = turn_->reply;
  reply.text = std::move(result.text);
  reply.model = std::move(result.model);
  reply.finish_reason = std::move(result.finish_reason);
  reply.usage = result.usage;
  if (!result.failed.empty())
    reply.degraded.emplace_back("llm");
  if (remembers())
    store();
  else
    finish();
}

void session_state::failed(uint64_t ticket, const failure& why) {
  if (speaking_ && ticket == speaking_->ticket)
    return composed({});
  if (is_current(ticket) && turn_->generating)
    fail(why);
}

void session_state::store() {
  auto& request = turn_->request;
  memory_write write{request.owner, {}, {}};
  memory asked, answered;
  asked.text = request.text;
  asked.speaker = request.speaker;
  asked.created = turn_->arrived;
  answered.text = turn_->reply.text;
  answered.speaker = persona().name;
  answered.created = self_->unix_micros();
  answered.own = true;
  asked.conversation = answered.conversation = request.conversation;
  write.memories = {std::move(asked), std::move(answered)};
  write.vectors = {std::move(turn_->vector), {}};
  auto ctx = self_->child(turn_->ctx);
  // Once there is an answer it is worth keeping, however late: the turn's deadline is not the
  // store's.
  ctx.deadline = 0;
  turn_->store_due = self_->nanos() + parts_->options.store_timeout.count();
  self_->request(shard_, caf::infinite, ctx, atom::remember_v, std::move(write))
      .then([this, n = turn_number_](const memory_receipt&) { stored(n, {}); },
            [this, n = turn_number_](const caf::error& err) { stored(n, to_failure(err)); });
}

void session_state::stored(uint64_t turn, const failure& why) {
  if (!is_current(turn) || turn_->store_due == 0)
    return;
  turn_->store_due = 0;
  turn_->reply.memory_stored = !why;
  if (why) {
    warn_seldom("session store", "session could not store a turn: " + why.message);
    turn_->reply.degraded.emplace_back("memory");
  }
  finish();
}

void session_state::finish() {
  auto& request = turn_->request;
  turn_->reply.duration = self_->nanos() - turn_->started;
  if (!request.idempotency_key.empty()) {
    replies_.push_back({std::move(request.idempotency_key), request.text, turn_->reply});
    if (replies_.size() > kept_replies)
      replies_.pop_front();
  }
  if (recent_loaded_ && !brings_context(request)) {
    recent_.push_back({std::move(request.speaker), std::move(request.text), false});
    recent_.push_back({persona().name, turn_->reply.text, true});
    trim_recent();
  }
  tell_mood();
  tell(*turn_, atom::completed_v, std::move(turn_->reply));
  end_turn();
}

void session_state::fail(const failure& why) {
  tell(*turn_, atom::failed_v, why);
  end_turn();
}

void session_state::trim_recent() {
  if (recent_.size() > 2 * size_t{parts_->options.context_lines})
    recent_.erase(recent_.begin(), recent_.end() - parts_->options.context_lines);
}

void session_state::end_turn() {
  tell_typing(turn_->ctx, false);
  if (events_)
    events_->said(self_->nanos());
  turn_.reset();
  start_next();
}

void session_state::cancel(const turn_client_actor& client, uint64_t ticket) {
  auto gives_up = [&](const turn_asker& x) { return x.ticket == ticket && x.client == client; };
  auto asked = [&](const queued_turn& x) { return std::ranges::any_of(x.askers, gives_up); };
  auto running = turn_ && asked(*turn_);
  queued_turn* turn = running ? turn_.get() : waiting_ ? waiting_->find_if(asked) : nullptr;
  if (!turn)
    return;
  std::erase_if(turn->askers, gives_up);
  if (!turn->askers.empty())
    return; // somebody else still waits for it
  if (!running) {
    waiting_->take_if([](const queued_turn& x) { return x.askers.empty(); });
    return;
  }
  if (turn_->generating)
    cancel_generation();
  // A turn that is being stored is let end: half of it may be durable already.
  if (turn_->generating || gathering())
    end_turn();
}

void session_state::cancel_generation() {
  self_->send<caf::message_priority::high>(parts_->llm, self_->child(turn_->ctx), atom::cancel_v,
                                           llm_client_actor{self_}, turn_number_);
}

bool session_state::passivate() {
  // What PARTITION sent before this waits in the mailbox by now.
  if (turn_ || waiting_ || speaking_ || listened() || self_->backlog() > 0)
    return false;
  self_->quit();
  return true;
}

void session_state::drain() {
  draining_ = true;
  if (speaking_ && !speaking_->storing)
    stop_speaking();
  if (!turn_ && !speaking_ && self_->backlog() == 0)
    self_->quit();
}

void session_state::forget() {
  recent_.clear();
  recent_loaded_ = false;
  if (events_)
    events_->mood.clear();
  if (speaking_ && !speaking_->storing)
    stop_speaking();
}

int64_t session_state::next_due() const {
  auto result = turn_->store_due != 0 ? turn_->store_due : turn_->ctx.deadline + 1;
  for (auto x : turn_->due)
    if (x != 0)
      result = std::min(result, x);
  return result;
}

void session_state::arm() {
  if (armed_ || !turn_)
    return;
  armed_ = true;
  // Never for long: the next turn may be due earlier, and a timer cannot be called back.
  auto left =
      std::clamp<int64_t>(next_due() - self_->nanos(), 0, parts_->options.emotion_timeout.count());
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{left}, context{},
                                                   atom::tick_v);
}

void session_state::tick() {
  armed_ = false;
  if (!turn_)
    return;
  auto now = self_->nanos();
  if (gathering())
    give_up_late(now);
  else if (turn_->store_due != 0 && now >= turn_->store_due)
    stored(turn_number_, {ec::timeout, "the store did not answer in time", {}});
  else if (turn_->generating && turn_->ctx.late(now)) {
    cancel_generation();
    fail({ec::timeout, "the model did not answer before the turn's deadline", {}});
  }
  arm();
}

void session_state::give_up(const failure& why) {
  if (turn_) {
    tell(*turn_, atom::failed_v, why);
    tell_typing(turn_->ctx, false);
  }
  turn_.reset();
  while (auto x = waiting_ ? waiting_->pop() : std::nullopt)
    tell(*x, atom::failed_v, why);
}

listened_session_actor::behavior_type session(actor_of<listened_session_actor, session_state>* self,
                                              std::shared_ptr<const session_parts> parts,
                                              shard_actor shard, bool ephemeral) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(shard), ephemeral);
  self->set_exception_handler([&state](std::exception_ptr&) -> caf::error {
    state.give_up({ec::internal, "the session failed while it ran this turn", {}});
    return caf::make_error(caf::sec::runtime_error, "session failed");
  });
  self->set_exit_handler([self](caf::exit_msg& x) {
    self->state.give_up({ec::unavailable, "the session was stopped while it ran this turn", {}});
    self->quit(std::move(x.reason));
  });
  return {
      [&state](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
               turn_request& x) {
        state.say({ctx, std::move(client), ticket, std::move(x)});
      },
      [&state](const context&, atom::cancel, const turn_client_actor& client, uint64_t ticket) {
        state.cancel(client, ticket);
      },
      [&state](const context&, atom::token, uint64_t ticket, const std::string& text) {
        state.token(ticket, text);
      },
      [&state](const context&, atom::completed, uint64_t ticket, completion& x) {
        state.completed(ticket, std::move(x));
      },
      [&state](const context&, atom::failed, uint64_t ticket, const failure& why) {
        state.failed(ticket, why);
      },
      [&state](const context&, atom::passivate) { return state.passivate(); },
      [&state](const context&, atom::drain) { state.drain(); },
      [&state](const context&, atom::forget) { state.forget(); },
      [&state](const context&, atom::tick) { state.tick(); },
      [&state](const context& ctx, atom::subscribe, const event_client_actor& client,
               const owner_key& owner, const std::string& conversation,
               const subscription& x) { state.listen(ctx, client, owner, conversation, x); },
      [&state](const context&, atom::silence) { state.silent(); },
  };
}

} // namespace sotto
