#include "actors/llm_scheduler.hpp"

#include <charconv>

#include <fmt/format.h>

namespace sotto {

namespace {

constexpr int64_t nanos_per_second = 1'000'000'000;

const std::string waited_too_long = "the deadline passed while the model was busy";
const std::string answered_too_late = "the model did not answer in time";

int64_t asked_pause(const failure& why) {
  uint32_t seconds = 0;
  if (why.code == ec::overloaded)
    std::from_chars(why.param.data(), why.param.data() + why.param.size(), seconds);
  return seconds * nanos_per_second;
}

} // namespace

owned_connection::~owned_connection() {
  if (!x_)
    return;
  try {
    caf::anon_send_exit(x_, caf::exit_reason::user_shutdown);
  } catch (...) { // there is no memory to tell it with
  }
}

void llm_scheduler_state::init(self_pointer self, llm_options options, llm_actor builtin,
                               connect_function connect) {
  self_ = self;
  options_ = std::move(options);
  builtin_ = std::move(builtin);
  connect_ = std::move(connect);
  metrics_ = std::make_unique<llm_metrics>(self->services().metrics);
  calls_ = shared_prompts<llm_client_actor, asker>{options_.max_waiting};
  self->mend = [this] { mend(); };
  for (auto& x : options_.deployments)
    deployments_.emplace(x.name, std::make_unique<deployment>(x, options_));
}

void llm_scheduler_state::generate(const context& ctx, llm_client_actor client, uint64_t ticket,
                                   generation ask) {
  if (ask.deployments.empty()) {
    auto out = self_->child(ctx);
    self_->send(builtin_, out, atom::generate_v, std::move(client), ticket, std::move(ask));
    return;
  }
  asker who{ctx, std::move(client), ticket};
  auto key = sharing_key(ask);
  if (join(key, who))
    return;
  job x;
  x.who = calls_.open(std::move(key), std::move(who));
  x.ask = std::move(ask);
  x.since = self_->nanos();
  place(std::move(x));
}

bool llm_scheduler_state::join(const std::string& key, asker& x) {
  auto to = calls_.join(key, x);
  if (!to)
    return false;
  metrics_->saved();
  auto& me = to->askers.back();
  if (!to->text.empty())
    self_->send<caf::message_priority::high>(me.client, self_->child(me.ctx), atom::token_v,
                                             me.ticket, to->text);
  auto better = std::all_of(to->askers.begin(), to->askers.end() - 1,
                            [&](auto& y) { return me.ctx.level < y.ctx.level; });
  for (auto& [name, at] : deployments_)
    if (auto waiting =
            better ? at->waiting.take_if([&](const job& y) { return y.who == to; }) : std::nullopt)
      at->waiting.push(me.ctx.level, std::move(*waiting)); // there is room: it came from there
  return true;
}

void llm_scheduler_state::place(job x) {
  for (; x.choice < x.ask.deployments.size(); ++x.choice) {
    auto& name = x.ask.deployments[x.choice];
    auto at = deployments_.find(name);
    if (at == deployments_.end()) {
      refuse_job(x, {ec::not_found, fmt::format("there is no deployment '{}'", name), "model"});
      return;
    }
    auto& to = *at->second;
    if (to.breaker.current() == circuit_breaker::state::closed
        && to.running >= to.options.max_concurrency) {
      auto level = x.who->level();
      if (auto refused = to.waiting.push(level, std::move(x)))
        refuse_job(*refused, {ec::overloaded, "too many generations wait for the model", {}});
      arm();
      return;
    }
    if (to.breaker.allows(self_->nanos())) {
      start(to, std::move(x));
      return;
    }
    x.failed.push_back(name);
    x.reasons += fmt::format("; {}: left alone after failures", name);
  }
  exhausted(std::move(x));
}

void llm_scheduler_state::start(deployment& at, job x) {
  running_job r;
  r.at = &at;
  if (at.idle.empty()) {
    r.connection = owned_connection{connect_(self_->home_system(), at.options)};
    self_->monitor(r.connection.get());
  } else {
    r.connection = std::move(at.idle.back());
    at.idle.pop_back();
  }
  auto number = next_number_++;
  self_->send(r.connection.get(), call_context(x), atom::generate_v, llm_client_actor{self_},
              number, x.ask);
  r.what = std::move(x);
  running_.emplace(number, std::move(r));
  ++at.running;
  arm();
}

llm_scheduler_state::running_job llm_scheduler_state::take(uint64_t number) {
  auto node = running_.extract(number);
  return node.empty() ? running_job{} : std::move(node.mapped());
}

void llm_scheduler_state::release(running_job& x) {
  --x.at->running;
  if (x.connection)
    x.at->idle.push_back(std::move(x.connection));
}

void llm_scheduler_state::serve(deployment& at) {
  while (at.running < at.options.max_concurrency) {
    auto x = at.waiting.pop();
    if (!x)
      return;
    // Chosen anew: the breaker may have opened while it waited.
    self_->attempt([&] {
      if (!expire(*x, waited_too_long))
        place(std::move(*x));
    });
  }
}

void llm_scheduler_state::token(uint64_t number, const std::string& text) {
  auto at = running_.find(number);
  if (at == running_.end())
    return;
  auto& x = at->second.what;
  x.begun = true;
  // As all answers of generations, control: where mailboxes are full, no piece of a text is lost.
  for (auto& to : x.who->askers)
    self_->send<caf::message_priority::high>(to.client, self_->child(to.ctx), atom::token_v,
                                             to.ticket, text);
  if (!x.who->key.empty())
    x.who->text += text;
}

void llm_scheduler_state::completed(uint64_t number, completion result) {
  auto x = take(number);
  if (!x.what.who)
    return;
  metrics_->ended(result.deployment, "completed",
                  static_cast<double>(self_->nanos() - x.what.since) / nanos_per_second);
  if (x.at) {
    x.at->breaker.success();
    release(x);
  }
  result.failed = std::move(x.what.failed);
  calls_.close(*x.what.who);
  for (auto& to : x.what.who->askers) {
    self_->send<caf::message_priority::high>(to.client, answer_context(to), atom::completed_v,
                                             to.ticket, result);
    to.done();
  }
  if (x.at)
    serve(*x.at);
}

void llm_scheduler_state::failed(uint64_t number, const failure& why) {
  auto x = take(number);
  if (!x.what.who)
    return;
  if (!x.at)
    return refuse_job(x.what, why);
  release(x);
  auto& at = *x.at;
  metrics_->ended(at.options.name, "failed",
                  static_cast<double>(self_->nanos() - x.what.since) / nanos_per_second);
  if (why.code == ec::invalid) {
    // The request's own fault: the provider is well, and another would say the same.
    at.breaker.success();
    refuse_job(x.what, why);
  } else {
    at.breaker.failure(self_->nanos(), asked_pause(why));
    if (x.what.begun)
      refuse_job(x.what, why);
    else
      next_choice(std::move(x.what), at.options.name, why.message);
  }
  serve(at);
}

void llm_scheduler_state::next_choice(job x, const std::string& name, const std::string& why) {
  x.failed.push_back(name);
  x.reasons += "; " + why;
  ++x.choice;
  if (!expire(x, answered_too_late + x.reasons))
    place(std::move(x));
}

void llm_scheduler_state::exhausted(job x) {
  // A pass-through names its model and wants no other.
  if (options_.builtin_fallback && !x.ask.persona.empty()) {
    running_job r; // at no deployment
    auto number = next_number_++;
    self_->send(builtin_, call_context(x), atom::generate_v, llm_client_actor{self_}, number,
                x.ask);
    r.what = std::move(x);
    running_.emplace(number, std::move(r));
    return;
  }
  refuse_job(x, {ec::upstream_failed, "no deployment could answer" + x.reasons, {}});
}

context llm_scheduler_state::call_context(const job& x) {
  auto ctx = self_->child(x.who->askers.front().ctx);
  ctx.level = x.who->level();
  // Who joins later may have more time; `tick` looks after everybody's own.
  if (!x.who->key.empty())
    ctx.deadline = 0;
  return ctx;
}

context llm_scheduler_state::answer_context(const asker& x) {
  auto ctx = self_->child(x.ctx);
  ctx.deadline = 0;
  return ctx;
}

void llm_scheduler_state::refuse(asker& x, failure why) {
  if (why.code == ec::overloaded)
    why.param.clear();
  self_->send<caf::message_priority::high>(x.client, answer_context(x), atom::failed_v, x.ticket,
                                           std::move(why));
  x.done();
}

void llm_scheduler_state::refuse_job(const job& x, const failure& why) {
  calls_.close(*x.who);
  for (auto& to : x.who->askers)
    refuse(to, why);
}

bool llm_scheduler_state::expire(const job& x, const std::string& why) {
  for (auto& to : x.who->take_late(self_->nanos()))
    refuse(to, {ec::timeout, why, {}});
  if (!x.who->askers.empty())
    return false;
  calls_.close(*x.who);
  return true;
}

void llm_scheduler_state::cancel(const context& ctx, const llm_client_actor& client,
                                 uint64_t ticket) {
  for (auto& [name, at] : deployments_)
    if (auto* x =
            at->waiting.find_if([&](const job& y) { return y.who->remove(client, ticket); })) {
      auto who = x->who;
      if (who->askers.empty()) {
        calls_.close(*who);
        at->waiting.take_if([&](const job& y) { return y.who == who; });
      }
      return;
    }
  for (auto& [number, x] : running_)
    if (x.what.who->remove(client, ticket)) {
      if (x.what.who->askers.empty())
        give_up(uint64_t{number}); // removes what the reference belongs to
      return;
    }
  // It may wait there, or is over.
  self_->send<caf::message_priority::high>(builtin_, self_->child(ctx), atom::cancel_v, client,
                                           ticket);
}

void llm_scheduler_state::give_up(uint64_t number) {
  auto x = take(number);
  calls_.close(*x.what.who);
  if (!x.at)
    return;
  self_->send<caf::message_priority::high>(x.connection.get(), context{}, atom::cancel_v,
                                           llm_client_actor{self_}, number);
  x.at->breaker.nothing();
  release(x);
  serve(*x.at);
}

void llm_scheduler_state::down(const caf::down_msg& x) {
  for (auto& [name, at] : deployments_)
    std::erase_if(at->idle, [&](auto& c) { return c.get().address() == x.source; });
  for (auto& [number, r] : running_) {
    if (!r.connection || r.connection.get().address() != x.source)
      continue;
    r.connection.gone();
    failed(number, {ec::internal, r.at->options.name + ": the connection ended", {}});
    return;
  }
}

void llm_scheduler_state::arm() {
  if (armed_)
    return;
  self_->delayed_send<caf::message_priority::high>(self_, std::chrono::milliseconds{250}, context{},
                                                   atom::tick_v);
  armed_ = true;
}

void llm_scheduler_state::mend() {
  calls_.tidy();
  for (auto& [name, at] : deployments_)
    at->running = 0;
  for (auto& [number, x] : running_)
    if (x.at)
      ++x.at->running;
  arm();
}

void llm_scheduler_state::tick() {
  armed_ = false;
  auto busy = !running_.empty();
  for (auto& [name, at] : deployments_) {
    while (at->waiting.take_if([&](const job& x) { return expire(x, waited_too_long); })) {
    }
    serve(*at);
    busy = busy || !at->waiting.empty();
    metrics_->depth(name, at->running, at->waiting.size(), static_cast<int>(at->breaker.current()));
  }
  std::vector<uint64_t> overdue;
  for (auto& [number, x] : running_)
    if (x.at && expire(x.what, answered_too_late))
      overdue.push_back(number);
  for (auto number : overdue)
    give_up(number);
  if (busy)
    arm();
}

llm_scheduler_actor::behavior_type
llm_scheduler(lasting_actor_of<llm_scheduler_actor, llm_scheduler_state>* self, llm_options options,
              llm_actor builtin, connect_function connect) {
  auto& state = self->state;
  state.init(self, std::move(options), std::move(builtin), std::move(connect));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [&state](const context& ctx, atom::generate, llm_client_actor& client, uint64_t ticket,
               generation& ask) { state.generate(ctx, std::move(client), ticket, std::move(ask)); },
      [&state](const context& ctx, atom::cancel, const llm_client_actor& client, uint64_t ticket) {
        state.cancel(ctx, client, ticket);
      },
      [&state](const context&, atom::token, uint64_t number, const std::string& text) {
        state.token(number, text);
      },
      [&state](const context&, atom::completed, uint64_t number, completion& x) {
        state.completed(number, std::move(x));
      },
      [&state](const context&, atom::failed, uint64_t number, const failure& why) {
        state.failed(number, why);
      },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
