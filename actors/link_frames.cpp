// LINK's frames: the queue for the window, the windows, and what is done with what comes.
#include "actors/link.hpp"
#include "runtime/message_bytes.hpp"

namespace sotto {

namespace {

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
  metrics_->refused->Increment();
  if (x.kind == frame_kind::call) {
    if (asked_.contains(x.number))
      answer(take_call(x.number), why);
  } else if (x.kind == frame_kind::piece) {
    if (tickets_.contains(x.number)) {
      give_up_served(x.number, true);
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
  metrics_->frames.out->Increment();
  metrics_->bytes.out->Increment(static_cast<double>(x.bytes.size()));
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
  metrics_->heard->Set(static_cast<double>(self_->services().wall()) / 1e6);
  metrics_->frames.in->Increment(static_cast<double>(xs.size()));
  for (auto& x : xs) {
    auto size = weight(x);
    metrics_->bytes.in->Increment(static_cast<double>(x.bytes.size()));
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
    return synced(x.partition);
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

} // namespace sotto
