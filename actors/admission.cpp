#include "actors/admission.hpp"

#include <xxhash.h>

#include "messages/partition.hpp"
#include "runtime/refusals.hpp"

namespace sotto {

namespace {

constexpr uint32_t slots_a_worker = 64;
/// Tenants counted apart within a second; what is served to others is counted as of one.
constexpr size_t most_tenants = 4096;

uint64_t hash(const std::string& x, uint64_t seed = 0) {
  return XXH64(x.data(), x.size(), seed);
}

uint64_t conversation_of(const turn_request& x) {
  return hash(x.conversation, hash(x.owner.owner));
}

admission_limits limits_of(const admission_parts& x) {
  admission_limits limits;
  limits.running = x.options.max_running != 0 ? x.options.max_running : slots_a_worker * x.workers;
  limits.following = x.options.max_waiting;
  limits.following_one = x.session.max_waiting;
  limits.longest = (x.session.turn_timeout + x.session.store_timeout).count() * 2;
  limits.queue.bound = x.options.max_waiting;
  limits.queue.overdue_after = x.options.overdue_after.count();
  return limits;
}

} // namespace

void admission_state::init(self_pointer self, admission_parts parts) {
  self_ = self;
  parts_ = std::move(parts);
  if (!parts_.metrics)
    parts_.metrics = std::make_shared<admission_metrics>(self->services().metrics);
  queue_ = std::make_unique<admission_queue<turn>>(limits_of(parts_), &parts_.load->tenants);
  auto most = parts_.options.max_memory != 0 ? parts_.options.max_memory : parts_.memory / 4 * 3;
  policy_ = std::make_unique<overload_policy>(parts_.options, most);
  self->mend = [this] { mend(); };
}

priority admission_state::level_of(const turn_request& request, uint64_t tenant,
                                   uint64_t conversation, int64_t now) {
  if (request.level_given)
    return request.level;
  auto signals = read_signals(request.text);
  signals.channel = request.speaker != request.owner.owner && !request.owner.owner.empty();
  if (!request.owner.owner.empty())
    recent_.heard({tenant, conversation}, hash(request.speaker), now, signals);
  return turn_level(signals);
}

void admission_state::say(const context& ctx, turn_client_actor client, uint64_t ticket,
                          turn_request request) {
  auto now = last_turn_ = self_->nanos();
  turn x{ctx, std::move(client), ticket, std::move(request)};
  auto conversation = conversation_of(x.request);
  auto tenant = tenant_number(x.request.owner.tenant);
  x.ctx.level = level_of(x.request, tenant, conversation, now);
  if (x.ctx.deadline == 0)
    x.ctx.deadline = now + parts_.session.turn_timeout.count();
  if (draining_)
    return refuse(std::move(x), {ec::unavailable, "the node is shutting down", {}}, way::refused);
  if (parts_.load->refuses(x.ctx.level, tenant))
    return refuse(std::move(x), overloaded(), way::refused);
  auto& key = x.request.idempotency_key;
  turn_class of{{x.client->id(), ticket},        conversation,  x.ctx.level, tenant,
                key.empty() ? 0 : hash(key) | 1, x.ctx.deadline};
  queue_->add(std::move(x), of, now);
  serve(now);
}

void admission_state::serve(int64_t now) {
  while (auto x = queue_->next(now))
    self_->attempt([&] { start(std::move(*x)); });
  for (auto& x : queue_->refused())
    refuse(std::move(x), overloaded(), way::refused);
  publish();
  arm(now);
}

void admission_state::start(admission_queue<turn>::started x) {
  auto& request = x.what.request;
  // First of all: whoever drops it gives the slot back, also if something fails here.
  if (x.number != 0)
    request.slot = std::make_shared<turn_slot>(self_, x.number);
  ++served_;
  ++served_by_level_[static_cast<size_t>(x.level)];
  ++served_by_tenant_[served_by_tenant_.size() < most_tenants ? x.tenant : 0];
  parts_.metrics->served(x.level, static_cast<double>(x.waited) / 1e9);
  auto home = parts_.home(request.owner);
  // As control, bounded by the slots: `drain` of a partition that moves does not overtake it.
  self_->send<caf::message_priority::high>(home, self_->child(x.what.ctx), atom::say_v,
                                           x.what.client, x.what.ticket, std::move(request));
  x.what.done();
}

void admission_state::give_back(uint32_t partition, uint32_t of) {
  auto now = self_->nanos();
  auto to = caf::actor_cast<turn_home_actor>(self_->current_sender());
  auto moves = [=](const turn& x) { return partition_of(x.request.owner, of) == partition; };
  for (auto& x : queue_->take_if(moves, now)) {
    parts_.metrics->left(x.ctx.level, way::moved);
    self_->send<caf::message_priority::high>(to, self_->child(x.ctx), atom::say_v, x.client,
                                             x.ticket, std::move(x.request));
    x.done();
  }
  serve(now);
  end_if_drained();
}

failure admission_state::overloaded() const {
  auto step = parts_.load->step.load();
  return {ec::overloaded,
          step == overload_step::refuse
              ? "the node is overloaded; try again later, or at a higher priority"
              : "too many turns are waiting",
          {},
          policy_->retry_after(queue_->queued())};
}

void admission_state::refuse(turn x, failure why, way how) {
  if (how == way::refused)
    ++refused_;
  parts_.metrics->left(x.ctx.level, how);
  if (why.code == ec::overloaded)
    self_->services().flows.note(x.ctx, self_->id(), name, degraded_name(overload_step::refuse),
                                 self_->nanos(), outcome::refused);
  auto ctx = self_->child(x.ctx);
  ctx.deadline = 0; // an answer is worth hearing however late it is
  // Many refused: held back as sockets do it (`refusal_gate`), so that asking again at once is no
  // use.
  if (why.code == ec::overloaded && refused_ > refusals_told_at_once)
    self_->delayed_send(x.client, parts_.options.hold_refusals, ctx, atom::failed_v, x.ticket,
                        std::move(why));
  else
    self_->send(x.client, ctx, atom::failed_v, x.ticket, std::move(why));
  x.done();
}

void admission_state::cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
                             const owner_key& owner, const std::string& conversation, bool lost) {
  auto now = self_->nanos();
  turn_name name{client->id(), ticket};
  if (lost && queue_->waits_by_key(name))
    return;
  if (auto x = queue_->remove(name, now)) {
    x->done();
    parts_.metrics->left(x->ctx.level, way::cancelled);
    serve(now);
    return end_if_drained();
  }
  self_->send<caf::message_priority::high>(parts_.home(owner), self_->child(ctx), atom::cancel_v,
                                           client, ticket, owner, conversation, lost);
}

void admission_state::yield(uint64_t number) {
  queue_->yield(number);
  serve(self_->nanos());
}

void admission_state::ended(uint64_t number) {
  auto now = self_->nanos();
  queue_->ended(number, now);
  serve(now);
  end_if_drained();
}

caf::result<atom::drained> admission_state::drain() {
  draining_ = true;
  drained_ = self_->make_response_promise<atom::drained>();
  auto promise = drained_;
  end_if_drained();
  return promise;
}

void admission_state::end_if_drained() {
  if (draining_ && queue_->idle() && drained_.pending())
    drained_.deliver(atom::drained_v);
}

void admission_state::give_up(const failure& why) {
  for (auto& x : queue_->clear())
    refuse(std::move(x), why, way::refused);
}

void admission_state::mend() {
  auto now = self_->nanos();
  queue_->rebuild(now);
  publish();
  arm(now);
}

admission_actor::behavior_type admission(lasting_actor_of<admission_actor, admission_state>* self,
                                         admission_parts parts) {
  auto& state = self->state;
  state.init(self, std::move(parts));
  self->set_exit_handler([self](caf::exit_msg& x) {
    self->state.give_up({ec::unavailable, "the node stopped while the turn waited", {}});
    self->quit(std::move(x.reason));
  });
  return {
      [&state](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
               turn_request& x) { state.say(ctx, std::move(client), ticket, std::move(x)); },
      [&state](const context& ctx, atom::cancel, const turn_client_actor& client, uint64_t ticket,
               const owner_key& owner, const std::string& conversation,
               bool lost) { state.cancel(ctx, client, ticket, owner, conversation, lost); },
      [&state](const context&, atom::settle, uint32_t partition, uint32_t of) {
        state.give_back(partition, of);
        return atom::settled_v;
      },
      [&state](const context&, atom::yield, uint64_t number) { state.yield(number); },
      [&state](const context&, atom::ended, uint64_t number) { state.ended(number); },
      [&state](const context&, atom::drain) { return state.drain(); },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
