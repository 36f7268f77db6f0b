#include "actors/link.hpp"

#include <spdlog/spdlog.h>

#include "actors/link_hello.hpp"

namespace sotto {

namespace {

constexpr caf::timespan tick_interval = std::chrono::milliseconds{100};

} // namespace

void link_state::init(self_pointer self, std::shared_ptr<const link_parts> parts, std::string peer,
                      links_actor owner) {
  self_ = self;
  parts_ = std::move(parts);
  peer_name_ = std::move(peer);
  owner_ = std::move(owner);
  auto& x = parts_->options;
  credit_ = std::make_unique<credit_gatherer>(link_credit{x.window, x.window_bytes});
  queue_ = std::make_unique<weighed_queue<link_frame>>(x.max_waiting, x.max_waiting_bytes);
  metrics_ = std::make_unique<link_metrics>(self->services().metrics, peer_name_);
  self_->answered = [this](uint64_t ticket, const caf::message& y) { answered(ticket, y); };
}

void link_state::locate(std::string host, uint16_t port) {
  auto news = host != host_ || port != port_;
  host_ = std::move(host);
  port_ = port;
  if (phase_ == phase::apart && (news || next_try_ == 0))
    dial();
}

void link_state::dial() {
  if (port_ == 0 || !connects(parts_->self.node, peer_name_))
    return;
  phase_ = phase::dialing;
  parts_->dial(self_, host_, port_);
}

void link_state::connected(const link_door_actor& door) {
  if (phase_ != phase::dialing)
    return;
  phase_ = phase::greeting;
  session_ = self_->services().next_id();
  next_try_ = self_->nanos() + 2 * parts_->options.timeout.count();
  self_->send<caf::message_priority::high>(door, context{}, atom::hello_v, parts_->self, session_,
                                           caf::strong_actor_ptr{self_->ctrl()});
  arm();
}

void link_state::unreachable(const failure& why) {
  if (phase_ != phase::dialing)
    return;
  phase_ = phase::apart;
  report(why.message);
  retry_later();
}

void link_state::retry_later() {
  auto& x = parts_->options;
  if (port_ == 0 || !connects(parts_->self.node, peer_name_)) {
    next_try_ = 0;
    return;
  }
  auto wait = std::min(x.retry_first.count() << std::min(tries_++, 20U), x.retry_last.count());
  // Up to a quarter more, so that the nodes of a cluster do not come all at once.
  auto more = static_cast<int64_t>(self_->services().next_id() % 1024) * wait / 4096;
  next_try_ = self_->nanos() + wait + more;
  arm();
}

void link_state::introduce(const link_hello& who, uint64_t session,
                           const caf::strong_actor_ptr& whom) {
  auto to = caf::actor_cast<link_peer_actor>(whom);
  if (!to)
    return;
  if (auto why = check_hello(parts_->self, peer_name_, who)) {
    self_->send<caf::message_priority::high>(to, context{}, atom::refused_v, session, why);
    return report(why.message);
  }
  if (together())
    part({ec::unavailable, "the node was started again", {}});
  self_->send<caf::message_priority::high>(to, context{}, atom::welcome_v, parts_->self, session,
                                           caf::strong_actor_ptr{self_->ctrl()});
  meet(who, session, whom);
}

void link_state::welcomed(const link_hello& who, uint64_t session,
                          const caf::strong_actor_ptr& whom) {
  if (phase_ != phase::greeting || session != session_ || !whom)
    return;
  if (auto why = check_hello(parts_->self, peer_name_, who))
    return refused(session, why);
  meet(who, session, whom);
}

void link_state::refused(uint64_t session, const failure& why) {
  if (phase_ != phase::greeting || session != session_)
    return;
  phase_ = phase::apart;
  report(why.message);
  retry_later();
}

void link_state::meet(const link_hello& who, uint64_t session, const caf::strong_actor_ptr& whom) {
  phase_ = phase::together;
  session_ = session;
  peer_ = caf::actor_cast<link_peer_actor>(whom);
  peer_version_ = who.version;
  self_->monitor(peer_);
  window_.open({who.window, who.window_bytes});
  credit_->restart();
  moved_.clear();
  tries_ = 0;
  next_try_ = 0;
  spdlog::info("node {} is linked (sotto {})", peer_name_, who.version);
  report({});
  pump();
}

void link_state::down(const caf::down_msg& x) {
  if (together() && x.source == peer_)
    part({ec::unavailable, "the link was lost", {}});
}

void link_state::part(const failure& why) {
  self_->demonitor(peer_->address());
  peer_ = link_peer_actor{};
  phase_ = phase::apart;
  spdlog::warn("node {} is not linked any more: {}", peer_name_, why.message);
  last_why_ = why.message;
  report(why.message);
  outbox_.clear();
  outbox_bytes_ = 0;
  while (queue_->pop()) {
  }
  serving_lost();
  asking_lost();
  retry_later();
}

void link_state::report(std::string why) {
  // Told once: the same reason comes again with every try.
  if (!together() && phase_ == phase::apart && !why.empty() && why != last_why_)
    spdlog::warn("node {} cannot be linked: {}", peer_name_, why);
  last_why_ = why;
  metrics_->up->Set(together() ? 1 : 0);
  if (owner_)
    self_->send<caf::message_priority::high>(
        owner_, context{}, atom::peer_v,
        link_state_report{peer_name_, together(), peer_version_, std::move(why)});
}

/// Read every tick: what is counted at rest is 0.
void link_state::publish() const {
  metrics_->asked->Set(static_cast<double>(asked_.size()));
  metrics_->served->Set(static_cast<double>(served_.size()));
  for (size_t i = 0; i < priority_levels; ++i)
    metrics_->waiting[i]->Set(static_cast<double>(queue_->size(static_cast<priority>(i))));
}

void link_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  self_->delayed_send<caf::message_priority::high>(self_, tick_interval, context{}, atom::tick_v);
}

void link_state::tick() {
  armed_ = false;
  auto now = self_->nanos();
  expire(now);
  expire_served(now);
  if (phase_ == phase::greeting && now >= next_try_) {
    phase_ = phase::apart;
    report("it does not answer");
    retry_later();
  } else if (phase_ == phase::apart && next_try_ != 0 && now >= next_try_) {
    dial();
  }
  auto tries = phase_ == phase::greeting || (phase_ == phase::apart && next_try_ != 0);
  publish();
  if (tries || !asked_.empty() || !served_.empty() || !queue_->empty())
    arm();
}

void link_state::close() {
  if (together())
    part({ec::unavailable, "the node left the cluster", {}});
  for (auto number : numbers_of([](auto&) { return true; }))
    give_back(number);
}

link_actor::behavior_type
link(caf::stateful_actor<link_state, asking_actor<link_actor::base>>* self,
     std::shared_ptr<const link_parts> parts, std::string peer, links_actor owner) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(peer), std::move(owner));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  self->set_exit_handler([self](caf::exit_msg& x) {
    self->state.close();
    self->quit(std::move(x.reason));
  });
  self->set_exception_handler([&state](std::exception_ptr&) -> caf::error {
    state.close(); // nobody waits for what it had, and LINKS starts another
    return caf::make_error(caf::sec::runtime_error, "link failed");
  });
  return {
      [&state](const context&, atom::welcome, const link_hello& who, uint64_t session,
               const caf::strong_actor_ptr& x) { state.welcomed(who, session, x); },
      [&state](const context&, atom::refused, uint64_t session, const failure& why) {
        state.refused(session, why);
      },
      [&state](const context&, atom::frames, uint64_t session, std::vector<link_frame>& xs) {
        state.frames(session, xs);
      },
      [&state](const context&, atom::credit, uint64_t session, uint64_t frames, uint64_t bytes) {
        state.credited(session, {frames, bytes});
      },
      [&state](const context& ctx, atom::token, uint64_t ticket, const stream_piece& x) {
        state.piece(ctx, ticket, x);
      },
      [&state](const context&, atom::resumed, uint64_t ticket, bool x) {
        state.resumed(ticket, x);
      },
      [&state](const context&, atom::completed, uint64_t ticket, turn_reply& x) {
        state.completed(ticket, x);
      },
      [&state](const context&, atom::failed, uint64_t ticket, const failure& why) {
        state.failed(ticket, why);
      },
      [&state](const context& ctx, atom::generate, llm_client_actor& client, uint64_t ticket,
               generation& ask) { state.generate(ctx, std::move(client), ticket, std::move(ask)); },
      [&state](const context&, atom::cancel, const llm_client_actor& client, uint64_t ticket) {
        state.cancel_generation(client, ticket);
      },
      [&state](const context&, atom::token, uint64_t ticket, std::string& text) {
        state.generated(ticket, std::move(text));
      },
      [&state](const context&, atom::completed, uint64_t ticket, completion& x) {
        state.generated(ticket, x);
      },
      [&state](const context& ctx, atom::event, session_event& x) { state.event(ctx, x); },
      [&state](const context&, atom::call, routed_call& x) { state.call(std::move(x)); },
      [&state](const context&, atom::cancel, const turn_client_actor& client, uint64_t ticket,
               bool lost) { state.cancel(client, ticket, lost); },
      [&state](const context&, atom::settle, uint32_t partition) { state.settle(partition); },
      [&state](const context&, atom::hello, const link_hello& who, uint64_t session,
               const caf::strong_actor_ptr& x) { state.introduce(who, session, x); },
      [&state](const context&, atom::peer, std::string& host, uint16_t port) {
        state.locate(std::move(host), port);
      },
      [&state](const context&, atom::connected, const link_door_actor& x) { state.connected(x); },
      [&state](const context&, atom::failed, const failure& why) { state.unreachable(why); },
      [&state](const context&, atom::tick) { state.tick(); },
      [&state](const context&, atom::token) { state.gathered(); },
      [&state](const context&, atom::flush) { state.flush(); },
  };
}

} // namespace sotto
