#include "actors/session.hpp"
#include "actors/turn_journal.hpp"

#include <algorithm>

#include "messages/admission.hpp"
#include "messages/moved.hpp"
#include "runtime/logging.hpp"

namespace sotto {

void session_state::init(self_pointer self, std::shared_ptr<const session_parts> parts,
                         shard_actor shard, bool ephemeral, std::shared_ptr<session_place> place) {
  self_ = self;
  parts_ = std::move(parts);
  shard_ = std::move(shard);
  ephemeral_ = ephemeral;
  place_ = std::move(place);
  if (auto known = std::move(place_->context)) {
    recent_ = std::move(known->lines);
    set_before(std::move(known->before));
    as_of_ = known->as_of;
    recent_loaded_ = true;
  }
  settle();
}

session_state::~session_state() {
  if (place_)
    parts_->memory->session_bytes -= place_->bytes;
}

void session_state::say(waiting_turn turn) {
  if (retried(turn))
    return;
  silence_ended(turn.request.persona);
  queued_turn next{
      turn.ctx,
      {{std::move(turn.client), turn.ticket, turn.request.stream, turn.request.resume_from}},
      std::move(turn.request)};
  if (!turn_ && !waiting_) // nearly always
    return start(std::move(next));
  if (!waiting_)
    waiting_ = std::make_unique<level_queue<queued_turn>>(parts_->options.max_waiting);
  if (auto refused = waiting_->push(priority::normal, std::move(next)))
    tell(*refused, atom::failed_v,
         failure{ec::overloaded, "too many turns of this conversation are waiting", {}});
  if (!turn_)
    start_next();
}

void session_state::start_next() {
  auto next = waiting_ ? waiting_->pop() : std::nullopt;
  if (!next) {
    waiting_.reset();
    settle();
    if ((ephemeral_ || draining_) && !speaking_)
      self_->quit();
    return;
  }
  start(std::move(*next));
}

void session_state::start(queued_turn next) {
  turn_ = std::make_unique<running_turn>();
  place_->busy_until = session_place::always;
  static_cast<queued_turn&>(*turn_) = std::move(next);
  ++turn_number_;
  turn_->step = parts_->load->step.load(std::memory_order_relaxed);
  persona_ = &persona();
  turn_->started = self_->nanos();
  turn_->arrived = self_->unix_micros();
  turn_->reply.level = turn_->ctx.level;
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
  ask.tenant = request.owner.tenant;
  if (!who.llm.empty()
      && !(parts_->admission.allow_builtin && spares(overload_step::builtin_responder))) {
    ask.deployments = who.llm;
    ask.model = who.model;
  }
  ask.persona = who.name;
  ask.messages = build_prompt(
      {who, request, turn_->reply.emotion, turn_->reply.memories, recent_, before().text},
      parts_->options);
  ask.parameters = merge_parameters(request.parameters, who);
  ask.stream = request.stream;
  ask.emotion = turn_->reply.emotion;
  ask.memories = to_answer_from(turn_->reply.memories);
  turn_->generating = true;
  if (request.slot && !ask.deployments.empty())
    request.slot->yield(); // a provider's time is not the node's
  tell_typing(turn_->ctx, true);
  self_->send(parts_->llm, self_->child(turn_->ctx), atom::generate_v, llm_client_actor{self_},
              turn_number_, std::move(ask));
}

void session_state::token(uint64_t ticket, const std::string& text) {
  if (!is_current(ticket) || !turn_->generating)
    return;
  auto& reply = turn_->reply.text;
  for (auto& x : turn_->askers)
    if (x.stream)
      self_->send(x.client, self_->child(turn_->ctx), atom::token_v, x.ticket,
                  stream_piece{reply.size(), text});
  reply += text;
}

void session_state::completed(uint64_t ticket, completion result) {
  if (speaking_ && ticket == speaking_->ticket)
    return composed(std::move(result.text));
  if (summary_ && ticket == summary_->ticket)
    return summarised(std::move(result.text));
  if (!is_current(ticket) || !turn_->generating)
    return;
  turn_->generating = false;
  auto& reply = turn_->reply;
  auto streamed = std::exchange(reply.text, std::move(result.text)).size();
  for (auto& x : turn_->askers)
    if (x.stream)
      catch_up(x, streamed); // who joined a turn that is not streamed
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

void session_state::failed(uint64_t ticket, failure why) {
  if (speaking_ && ticket == speaking_->ticket)
    return composed({});
  if (summary_ && ticket == summary_->ticket)
    return summarised({});
  if (is_current(ticket) && turn_->generating)
    fail(std::move(why));
}

void session_state::store() {
  auto& request = turn_->request;
  memory_write write;
  write.owner = request.owner;
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
  if (is_group(request.owner)) // the reply may repeat what was said: it goes when that goes
    write.authors.assign(2, request.author.empty() ? request.speaker : request.author);
  if (!request.idempotency_key.empty()) {
    write.turns.push_back(record_of(request, turn_->reply, turn_->arrived));
    write.turns.back().reply = write.memories.size();
  }
  auto ctx = self_->child(turn_->ctx);
  // Once there is an answer it is worth keeping, however late: the turn's deadline is not the
  // store's.
  ctx.deadline = 0;
  turn_->store_due = self_->nanos() + parts_->options.store_timeout.count();
  self_->request(shard_, caf::infinite, ctx, atom::remember_v, std::move(write))
      .then([this, n = turn_number_](const memory_receipt& x) { stored(n, {}, x); },
            [this, n = turn_number_](const caf::error& err) { stored(n, to_failure(err), {}); });
}

void session_state::stored(uint64_t turn, const failure& why, const memory_receipt& receipt) {
  if (!is_current(turn) || turn_->store_due == 0)
    return;
  turn_->store_due = 0;
  // Whoever owns the conversation now has not heard of this turn: it is not to be acknowledged.
  if (has_moved(why))
    return fail(why);
  turn_->reply.memory_stored = !why;
  if (why) {
    warn_seldom("session store", "session could not store a turn: " + why.message);
    turn_->reply.degraded.emplace_back("memory");
  }
  remember_lines(receipt);
  finish();
}

void session_state::finish() {
  turn_->reply.duration = self_->nanos() - turn_->started;
  if (turn_->step == overload_step::normal)
    last_memories_ = {};
  else if (turn_->step == overload_step::fewer_memories && recent_loaded_) // nothing was forgotten
    last_memories_ = turn_->reply.memories;
  tell_mood();
  tell(*turn_, atom::completed_v, std::move(turn_->reply));
  end_turn();
}

void session_state::fail(const failure& why) {
  tell(*turn_, atom::failed_v, why);
  end_turn();
}

void session_state::end_turn() {
  tell_typing(turn_->ctx, false);
  if (events_)
    events_->said(self_->nanos());
  turn_.reset();
  summarise();
  start_next();
}

void session_state::cancel(const turn_client_actor& client, uint64_t ticket, bool lost) {
  auto gives_up = [&](const turn_asker& x) { return x.ticket == ticket && x.client == client; };
  auto asked = [&](const queued_turn& x) { return std::ranges::any_of(x.askers, gives_up); };
  auto running = turn_ && asked(*turn_);
  queued_turn* turn = running ? turn_.get() : waiting_ ? waiting_->find_if(asked) : nullptr;
  if (!turn)
    return;
  std::erase_if(turn->askers, gives_up);
  if (!turn->askers.empty() || (lost && !turn->request.idempotency_key.empty()))
    return; // somebody else still waits for it, or it may be asked for again
  if (!running) {
    turn->given_up = true;
    waiting_->take_if([](const queued_turn& x) { return x.given_up; });
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
  if (turn_ || waiting_ || summary_ || speaking_ || listened() || self_->backlog() > 0)
    return false;
  if (recent_loaded_ && !ephemeral_)
    place_->context = std::make_unique<conversation_context>(
        conversation_context{std::move(recent_), before(), as_of_});
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
  ++forgets_;
  recent_.clear();
  recent_loaded_ = false;
  last_memories_ = {};
  before_.reset();
  if (events_)
    events_->mood.clear();
  if (speaking_ && !speaking_->storing)
    stop_speaking();
  settle();
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
  auto now = self_->nanos();
  if (summary_ && !summary_->storing && now >= summary_->due)
    summarised({});
  if (!turn_)
    return;
  if (gathering())
    give_up_late(now);
  else if (turn_->store_due != 0 && now >= turn_->store_due)
    stored(turn_number_, {ec::timeout, "the store did not answer in time", {}}, {});
  else if (turn_->generating && turn_->ctx.late(now)) {
    cancel_generation();
    fail({ec::timeout, "the model did not answer before the turn's deadline", {}});
  }
  arm();
}

void session_state::give_up(const failure& why) {
  if (turn_) {
    if (turn_->generating)
      cancel_generation(); // the model would work on for nobody
    tell(*turn_, atom::failed_v, why);
    tell_typing(turn_->ctx, false);
  }
  turn_.reset();
  while (auto x = waiting_ ? waiting_->pop() : std::nullopt)
    tell(*x, atom::failed_v, why);
}

namespace {

using session_self = actor_of<listened_session_actor, session_state>;

session_state& serving() {
  return static_cast<session_self&>(session_self::serving()).state;
}

/// One table for all sessions: half a kilobyte that each would hold of its own.
const listened_session_actor::behavior_type& behaviour_of_all() {
  static const listened_session_actor::behavior_type table{
      [](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
         turn_request& x) {
        serving().say({ctx, std::move(client), ticket, std::move(x)});
      },
      [](const context&, atom::cancel, const turn_client_actor& client, uint64_t ticket,
         bool lost) { serving().cancel(client, ticket, lost); },
      [](const context&, atom::token, uint64_t ticket, const std::string& text) {
        serving().token(ticket, text);
      },
      [](const context&, atom::completed, uint64_t ticket, completion& x) {
        serving().completed(ticket, std::move(x));
      },
      [](const context&, atom::failed, uint64_t ticket, const failure& why) {
        serving().failed(ticket, why);
      },
      [](const context&, atom::passivate) { return serving().passivate(); },
      [](const context&, atom::drain) { serving().drain(); },
      [](const context&, atom::forget) { serving().forget(); },
      [](const context&, atom::tick) { serving().tick(); },
      [](const context& ctx, atom::subscribe, const event_client_actor& client,
         const owner_key& owner, const std::string& conversation,
         const subscription& x) { serving().listen(ctx, client, owner, conversation, x); },
      [](const context&, atom::silence) { serving().silent(); },
  };
  return table;
}

} // namespace

listened_session_actor::behavior_type session(actor_of<listened_session_actor, session_state>* self,
                                              std::shared_ptr<const session_parts> parts,
                                              shard_actor shard, bool ephemeral,
                                              std::shared_ptr<session_place> place) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(shard), ephemeral, std::move(place));
  self->set_exception_handler([&state](std::exception_ptr&) -> caf::error {
    state.give_up({ec::internal, "the session failed while it ran this turn", {}});
    return caf::make_error(caf::sec::runtime_error, "session failed");
  });
  self->set_exit_handler([self](caf::exit_msg& x) {
    self->state.give_up({ec::unavailable, "the session was stopped while it ran this turn", {}});
    self->quit(std::move(x.reason));
  });
  return behaviour_of_all();
}

} // namespace sotto
