#pragma once

#include <memory>

#include <caf/send.hpp>

#include "messages/actors.hpp"

namespace sotto {

namespace atom {

using settle = caf::atom_constant<caf::atom("settle")>;
inline constexpr settle settle_v{};
using settled = caf::atom_constant<caf::atom("settled")>;
inline constexpr settled settled_v{};

} // namespace atom

/// TURN HOME: where a turn is sent: ADMISSION, PARTITION, or who knows the way to another node.
using turn_home_actor = caf::typed_actor<
    // Runs the turn when it may run. All are sent at one level, so that mailboxes keep their order;
    // the frontend's level stands in the request.
    caf::reacts_to<context, atom::say, turn_client_actor, uint64_t, turn_request>,
    // Control: the client gave up the turn `ticket` of an owner's conversation, or (true) was lost:
    // a turn with a key then goes on.
    caf::reacts_to<context, atom::cancel, turn_client_actor, uint64_t, owner_key, std::string,
                   bool>>;

/// TURN GATE: a turn home that lets turns of a partition go which moves.
using turn_gate_actor = turn_home_actor::extend<
    // Control, of ROUTE: turns of the partition (of so many) that wait come back by `say`,
    // in their order; then it is answered. Those that were let through are with PARTITION by then.
    caf::replies_to<context, atom::settle, uint32_t, uint32_t>::with<atom::settled>>;

/// ADMISSION: one a node; every turn that runs here passes through it, and waits in it. Called by
/// CONNECTION (in a cluster: ROUTE and LINK) and SESSION (through `turn_slot`). Calls PARTITION.
using admission_actor = turn_gate_actor::extend<
    // Control: the turn of this slot waits for others than this node; it is over.
    caf::reacts_to<context, atom::yield, uint64_t>, caf::reacts_to<context, atom::ended, uint64_t>,
    // No new turns; answered when those before are over.
    caf::replies_to<context, atom::drain>::with<atom::drained>,
    // Own timer: deadlines, and a look at the load.
    caf::reacts_to<context, atom::tick>>;

/// A turn's place among those that run. It travels with the turn's request, and whoever drops the
/// last copy tells ADMISSION that the turn is over: a session that answers, refuses or crashes, a
/// mailbox that bounces. So no slot can be lost within a process. Used by one thread at a time.
class turn_slot {
public:
  turn_slot(admission_actor to, uint64_t number) : to_(std::move(to)), number_(number) {}
  ~turn_slot() {
    caf::anon_send<caf::message_priority::high>(to_, context{}, atom::ended_v, number_);
  }
  turn_slot(const turn_slot&) = delete;
  turn_slot& operator=(const turn_slot&) = delete;

  /// Lets another turn run: this one waits for somebody else than the node. The next turn of its
  /// conversation still waits for its end.
  void yield() {
    if (!std::exchange(yielded_, true))
      caf::anon_send<caf::message_priority::high>(to_, context{}, atom::yield_v, number_);
  }

private:
  admission_actor to_;
  uint64_t number_;
  bool yielded_ = false;
};

} // namespace sotto
