#include "actors/link.hpp"

#include <spdlog/spdlog.h>

#include "actors/link_hello.hpp"
#include "runtime/message_bytes.hpp"

namespace sotto {

namespace {

constexpr caf::timespan tick_interval = std::chrono::milliseconds{100};
/// A message between the LINKs is sent at the latest when it is so large.
constexpr size_t most_outbox_bytes = 256 << 10;
/// A frame's own weight.
constexpr size_t frame_bytes = 64;

size_t weight(const link_frame& x) {
  return x.bytes.size() + frame_bytes;
}

bool windowed(frame_kind x) {
  return x == frame_kind::call || x == frame_kind::piece || x == frame_kind::answer
         || x == frame_kind::event;
}

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
  self_->answered = [this](uint64_t number, const caf::message& y) { answered(number, y); };
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
  if (owner_)
    self_->send<caf::message_priority::high>(
        owner_, context{}, atom::peer_v,
        link_state_report{peer_name_, together(), peer_version_, std::move(why)});
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
  if (tries || !asked_.empty() || !served_.empty())
    arm();
}

// Frames

link_frame link_state::frame_of(frame_kind kind, uint64_t number, priority level,
                                const caf::message& what) {
  link_frame x;
  x.kind = kind;
  x.number = number;
  x.level = level;
  if (!what.empty())
    x.bytes = message_to_bytes(self_->home_system(), what);
  return x;
}

/// False: there was no room for it.
bool link_state::queue(link_frame x) {
  if (!together() && x.kind != frame_kind::call)
    return true; // its reader is gone
  auto level = x.level;
  auto kind = x.kind;
  auto number = x.number;
  auto size = weight(x);
  if (x.kind == frame_kind::call)
    size += asked_.at(x.number).bytes.size();
  auto taken = true;
  for (auto& y : queue_->push(level, std::move(x), size)) {
    taken = taken && (y.kind != kind || y.number != number);
    dropped(y);
  }
  pump();
  return taken;
}

failure link_state::no_room() const {
  return {
      ec::overloaded,
      fmt::format("too much waits for the link between {} and {}", parts_->self.node, peer_name_),
      {},
      1};
}

/// What there is no room for.
void link_state::dropped(const link_frame& x) {
  auto why = no_room();
  if (x.kind == frame_kind::call) {
    auto at = asked_.find(x.number);
    if (at == asked_.end())
      return;
    auto what = std::move(at->second.what);
    forget_call(x.number);
    answer(what, why);
  } else if (x.kind == frame_kind::piece) {
    if (auto at = served_.find(x.number); at != served_.end()) {
      self_->send<caf::message_priority::high>(at->second.home, context{}, atom::cancel_v,
                                               turn_client_actor{self_}, x.number, at->second.owner,
                                               at->second.conversation, true);
      served_.erase(at);
      say_failed(x.number, why);
    }
  } else if (x.kind == frame_kind::answer) {
    say_failed(x.number, why);
  }
}

/// Sends as much as the window takes.
void link_state::pump() {
  while (together()) {
    auto size = queue_->next_weight();
    if (!size || !window_.takes(*size))
      return;
    auto x = queue_->pop();
    if (ready(*x))
      post(std::move(*x));
  }
}

/// Past all queues; for what is small.
void link_state::urgent(link_frame x) {
  if (together())
    post(std::move(x));
}

void link_state::post(link_frame x) {
  auto size = weight(x);
  if (windowed(x.kind))
    window_.sent(size);
  outbox_bytes_ += size;
  outbox_.push_back(std::move(x));
  if (outbox_bytes_ >= most_outbox_bytes)
    return flush();
  if (!std::exchange(flushing_, true))
    // What else is to be done now goes with it.
    self_->send<caf::message_priority::high>(self_, context{}, atom::flush_v);
}

void link_state::flush() {
  flushing_ = false;
  if (outbox_.empty() || !together())
    return;
  outbox_bytes_ = 0;
  self_->send<caf::message_priority::high>(peer_, context{}, atom::frames_v, session_,
                                           std::exchange(outbox_, {}));
}

void link_state::frames(uint64_t session, std::vector<link_frame>& xs) {
  if (!together() || session != session_)
    return;
  for (auto& x : xs) {
    auto size = weight(x);
    auto counts = windowed(x.kind);
    take(x);
    if (counts)
      credit_->took(size);
  }
  if (auto x = credit_->due())
    self_->send<caf::message_priority::high>(peer_, context{}, atom::credit_v, session_, x->frames,
                                             x->bytes);
}

void link_state::take(link_frame& x) {
  switch (x.kind) {
  case frame_kind::call:
    return serve(x);
  case frame_kind::cancel:
    return serve_cancel(x);
  case frame_kind::piece:
    return take_piece(x);
  case frame_kind::answer:
    return take_answer(x);
  case frame_kind::moved:
    return take_moved(x.number);
  case frame_kind::event:
    return take_event(x);
  case frame_kind::sync: {
    moved_.erase(x.partition);
    link_frame done;
    done.kind = frame_kind::synced;
    done.partition = x.partition;
    return urgent(std::move(done));
  }
  case frame_kind::synced:
    if (syncing_.erase(x.partition) > 0)
      self_->send<caf::message_priority::high>(parts_->route, context{}, atom::settled_v,
                                               x.partition, peer_name_);
    return;
  }
  // A kind of a later release, which should not have sent it.
  say_failed(x.number,
             {ec::invalid, "this node (sotto " SOTTO_VERSION ") does not know such a frame", {}});
}

void link_state::credited(uint64_t session, link_credit x) {
  if (!together() || session != session_)
    return;
  window_.credited(x);
  pump();
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
      [&state](const context& ctx, atom::token, uint64_t number, stream_piece& x) {
        state.piece(ctx, number, std::move(x));
      },
      [&state](const context&, atom::resumed, uint64_t number, bool x) {
        state.resumed(number, x);
      },
      [&state](const context&, atom::completed, uint64_t number, turn_reply& x) {
        state.completed(number, x);
      },
      [&state](const context&, atom::failed, uint64_t number, const failure& why) {
        state.failed(number, why);
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
