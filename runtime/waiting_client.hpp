#pragma once

#include <utility>

#include <caf/send.hpp>

#include "runtime/base_actor.hpp"

namespace sotto {

/// Who waits for what comes of a call, under a ticket of theirs. Dropped with its client - where an
/// exception unwinds, or the actor ends that kept it - it tells them that there will be no answer.
/// Whoever answers them, or hands the call over, takes the client out.
template <class Client>
struct waiting_client {
  context ctx;
  Client client{};
  uint64_t ticket = 0;

  waiting_client() = default;
  waiting_client(const context& x, Client whom, uint64_t number)
      : ctx(x), client(std::move(whom)), ticket(number) {}
  waiting_client(waiting_client&&) noexcept = default;
  waiting_client& operator=(waiting_client&& x) noexcept {
    std::swap(ctx, x.ctx);
    std::swap(client, x.client);
    std::swap(ticket, x.ticket);
    return *this;
  }
  ~waiting_client() {
    if (!client)
      return;
    ctx.deadline = 0; // an answer is worth hearing however late it is
    try {
      caf::anon_send<caf::message_priority::high>(
          client, ctx, atom::failed_v, ticket,
          failure{ec::internal, "the node failed while it worked on this", {}});
    } catch (...) { // there is no memory to tell it with
    }
  }

  /// They were answered, or nobody waits any more.
  void done() { client = Client{}; }
};

} // namespace sotto
