#include "actors/llm_route.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sotto {

namespace {

constexpr caf::timespan tick_interval = std::chrono::milliseconds{100};

bool generates(const cluster_member& x) {
  return x.protocol >= generations_link_protocol
         && std::find(x.roles.begin(), x.roles.end(), "llm") != x.roles.end();
}

} // namespace

void llm_route_state::init(self_pointer self, link_options links, llm_options options,
                           llm_actor builtin) {
  self_ = self;
  links_ = std::move(links);
  options_ = std::move(options);
  builtin_ = std::move(builtin);
  metrics_ = std::make_unique<llm_route_metrics>(self->services().metrics);
  self->mend = [this] { mend(); };
}

void llm_route_state::generate(const context& ctx, llm_client_actor client, uint64_t ticket,
                               generation ask) {
  if (ask.deployments.empty()) {
    // The builtin responder is no model: it costs less than the way to another node.
    self_->send(builtin_, self_->child(ctx), atom::generate_v, std::move(client), ticket,
                std::move(ask));
    return;
  }
  job x{ctx, std::move(client), ticket};
  x.ask = std::move(ask);
  x.due = self_->nanos() + links_.hold.count();
  if (ctx.deadline != 0)
    x.due = std::min(x.due, ctx.deadline);
  place(std::move(x));
}

void llm_route_state::place(job x) {
  if (auto node = best(x); !node.empty())
    start(node, std::move(x));
  else if (anybody() && self_->nanos() < x.due)
    hold(std::move(x));
  else
    give_up(std::move(x));
}

std::string llm_route_state::best(const job& x) const {
  const std::pair<const std::string, node_state>* found = nullptr;
  auto share = [](const node_state& y) { return static_cast<double>(y.running + 1) / y.capacity; };
  for (auto& y : nodes_) {
    if (!y.second.live || !y.second.link
        || std::find(x.tried.begin(), x.tried.end(), y.first) != x.tried.end())
      continue;
    if (!found
        || std::pair{y.second.draining, share(y.second)}
               < std::pair{found->second.draining, share(found->second)})
      found = &y;
  }
  return found ? found->first : std::string{};
}

bool llm_route_state::anybody() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](auto& x) { return x.second.live; });
}

void llm_route_state::start(const std::string& node, job x) {
  auto& to = nodes_.at(node);
  ++to.running;
  auto number = ++last_number_;
  // Control: the peer's window bounds what is sent, and the turns that wait what is not.
  self_->send<caf::message_priority::high>(to.link, self_->child(x.ctx), atom::generate_v,
                                           llm_client_actor{self_}, number, x.ask);
  x.node = node;
  names_[{x.client->id(), x.ticket}] = number;
  jobs_.emplace(number, std::move(x));
}

void llm_route_state::hold(job x) {
  if (held_ >= options_.max_waiting)
    return answer(std::move(x),
                  {ec::overloaded, "too many generations wait for a node with the role llm", {}});
  x.node.clear();
  x.tried.clear();
  auto number = ++last_number_;
  names_[{x.client->id(), x.ticket}] = number;
  jobs_.emplace(number, std::move(x));
  metrics_->held(++held_);
  arm();
}

void llm_route_state::give_up(job x) {
  auto reasons = std::move(x.reasons);
  if (x.ctx.late(self_->nanos()))
    return answer(std::move(x),
                  {ec::timeout, "the deadline passed before a model was reached" + reasons, {}});
  metrics_->refused();
  // As where all deployments failed: a pass-through names its model and wants no other.
  if (options_.builtin_fallback && !x.ask.persona.empty()) {
    self_->send(builtin_, self_->child(x.ctx), atom::generate_v, x.client, x.ticket,
                std::move(x.ask));
    return x.done();
  }
  const auto* what = anybody() ? "no node with the role llm can be reached"
                               : "no live node of the cluster has the role llm (cluster.roles)";
  answer(std::move(x), {ec::unavailable, what + reasons, {}, 1});
}

void llm_route_state::answer(job x, const failure& why) {
  auto ctx = self_->child(x.ctx);
  ctx.deadline = 0; // an answer is worth hearing however late it is
  self_->send<caf::message_priority::high>(x.client, ctx, atom::failed_v, x.ticket, why);
  x.done();
}

llm_route_state::job llm_route_state::take(uint64_t number) {
  auto node = jobs_.extract(number);
  if (node.empty())
    return {};
  auto& x = node.mapped();
  names_.erase({x.client->id(), x.ticket});
  if (x.node.empty())
    metrics_->held(--held_);
  else if (auto at = nodes_.find(x.node); at != nodes_.end() && at->second.running > 0)
    --at->second.running;
  return std::move(x);
}

void llm_route_state::token(uint64_t number, std::string text) {
  auto at = jobs_.find(number);
  if (at == jobs_.end())
    return;
  auto& x = at->second;
  if (!std::exchange(x.begun, true))
    x.ask = {}; // it will not be asked again
  auto ctx = self_->child(x.ctx);
  ctx.deadline = 0;
  // As all answers of generations, control: where mailboxes are full, no piece of a text is lost.
  self_->send<caf::message_priority::high>(x.client, ctx, atom::token_v, x.ticket, std::move(text));
}

void llm_route_state::completed(uint64_t number, completion result) {
  auto x = take(number);
  if (!x.client)
    return;
  metrics_->ended(x.node, "completed");
  auto ctx = self_->child(x.ctx);
  ctx.deadline = 0;
  self_->send<caf::message_priority::high>(x.client, ctx, atom::completed_v, x.ticket,
                                           std::move(result));
  x.done();
}

void llm_route_state::failed(uint64_t number, const failure& why) {
  auto x = take(number);
  if (!x.client)
    return;
  auto again = why.code == ec::unavailable && !x.begun;
  metrics_->ended(x.node, again ? "moved" : "failed");
  if (!again)
    return answer(std::move(x), why);
  x.tried.push_back(std::move(x.node));
  x.reasons = "; " + why.message;
  place(std::move(x));
}

void llm_route_state::cancel(const context& ctx, const llm_client_actor& client, uint64_t ticket) {
  auto name = names_.find({client->id(), ticket});
  if (name == names_.end()) // it may wait there, or is over
    return self_->send<caf::message_priority::high>(builtin_, self_->child(ctx), atom::cancel_v,
                                                    client, ticket);
  auto number = name->second;
  auto x = take(number);
  x.done();
  if (x.node.empty())
    return;
  metrics_->ended(x.node, "cancelled");
  if (auto at = nodes_.find(x.node); at != nodes_.end() && at->second.link)
    self_->send<caf::message_priority::high>(at->second.link, context{}, atom::cancel_v,
                                             llm_client_actor{self_}, number);
}

void llm_route_state::members(const std::vector<cluster_member>& all) {
  for (auto& [name, x] : nodes_)
    x.live = false;
  for (auto& x : all) {
    if (!generates(x))
      continue;
    auto& to = nodes_[x.name];
    to.live = x.live;
    to.draining = x.draining;
    to.capacity = x.capacity;
  }
  std::erase_if(nodes_,
                [](auto& x) { return !x.second.live && !x.second.link && x.second.running == 0; });
  retry_held();
}

void llm_route_state::linked(const std::string& node, llm_actor link) {
  auto& to = nodes_[node];
  auto before = std::exchange(to.link, std::move(link));
  // What the LINK answered before it ended has been heard by now.
  std::vector<uint64_t> lost;
  for (auto& [number, x] : jobs_)
    if (before && x.node == node)
      lost.push_back(number);
  std::sort(lost.begin(), lost.end());
  for (auto number : lost)
    self_->attempt([&] {
      failed(number, {ec::unavailable, fmt::format("node {} was lost", node), {}, 1});
    });
  retry_held();
}

void llm_route_state::retry_held() {
  std::vector<uint64_t> waiting;
  for (auto& [number, x] : jobs_)
    if (x.node.empty())
      waiting.push_back(number);
  std::sort(waiting.begin(), waiting.end());
  for (auto number : waiting)
    self_->attempt([&] { place(take(number)); });
}

void llm_route_state::arm() {
  if (armed_)
    return;
  self_->delayed_send<caf::message_priority::high>(self_, tick_interval, context{}, atom::tick_v);
  armed_ = true;
}

/// Counts anew.
void llm_route_state::mend() {
  held_ = 0;
  names_.clear();
  for (auto& [node, x] : nodes_)
    x.running = 0;
  for (auto& [number, x] : jobs_) {
    names_[{x.client->id(), x.ticket}] = number;
    if (x.node.empty())
      ++held_;
    else if (auto at = nodes_.find(x.node); at != nodes_.end())
      ++at->second.running;
  }
  metrics_->held(held_);
  arm();
}

void llm_route_state::tick() {
  armed_ = false;
  retry_held();
  if (held_ > 0)
    arm();
}

llm_route_actor::behavior_type llm_route(lasting_actor_of<llm_route_actor, llm_route_state>* self,
                                         link_options links, llm_options options,
                                         llm_actor builtin) {
  auto& state = self->state;
  state.init(self, std::move(links), std::move(options), std::move(builtin));
  return {
      [&state](const context& ctx, atom::generate, llm_client_actor& client, uint64_t ticket,
               generation& ask) { state.generate(ctx, std::move(client), ticket, std::move(ask)); },
      [&state](const context& ctx, atom::cancel, const llm_client_actor& client, uint64_t ticket) {
        state.cancel(ctx, client, ticket);
      },
      [&state](const context&, atom::token, uint64_t number, std::string& text) {
        state.token(number, std::move(text));
      },
      [&state](const context&, atom::completed, uint64_t number, completion& x) {
        state.completed(number, std::move(x));
      },
      [&state](const context&, atom::failed, uint64_t number, const failure& why) {
        state.failed(number, why);
      },
      [&state](const context&, atom::members, const std::vector<cluster_member>& all) {
        state.members(all);
      },
      [&state](const context&, atom::peer, const std::string& node, const llm_actor& link) {
        state.linked(node, link);
      },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
