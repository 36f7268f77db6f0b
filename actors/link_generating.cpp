// LINK as the LLM of the peer, and this node's LLM as the peer sees it.
#include "actors/link.hpp"

namespace sotto {

void link_state::generate(const context& ctx, llm_client_actor client, uint64_t ticket,
                          generation ask) {
  routed_call x;
  x.partition = no_partition;
  x.ctx = ctx;
  x.generating = std::move(client);
  x.ticket = ticket;
  // It does not wait for the peer as a turn does: another node may do it.
  if (!together())
    return answer(x,
                  {ec::unavailable, fmt::format("node {} cannot be reached", peer_name_), {}, 1});
  x.what = caf::make_message(ctx, atom::generate_v, std::move(ask));
  take_on(std::move(x));
}

void link_state::cancel_generation(const llm_client_actor& client, uint64_t ticket) {
  auto name = turns_.find({client->id(), ticket});
  if (name == turns_.end())
    return;
  auto number = name->second;
  if (asked_.at(number).sent)
    tell_cancel(number, false);
  take_call(number);
}

/// A piece of its text.
void link_state::take_text(const routed_call& call, caf::message& what) {
  if (!call.generating)
    return;
  auto ctx = self_->child(call.ctx);
  ctx.deadline = 0;
  if (what.match_elements<caf::atom_value, stream_piece>())
    self_->send<caf::message_priority::high>(call.generating, ctx, atom::token_v, call.ticket,
                                             std::move(what.get_mutable_as<stream_piece>(1).text));
}

void link_state::serve_generation(const link_frame& x, caf::message& what) {
  auto model = parts_->models ? parts_->models() : llm_actor{};
  if (!model)
    return say_failed(
        x.number,
        {ec::unavailable,
         fmt::format("node {} does not generate for others: it has not the role llm, or ends",
                     parts_->self.node),
         {},
         1});
  auto& ctx = what.get_as<context>(0);
  auto ticket = take_in(x, ctx);
  served_.at(ticket).model = model;
  ++*parts_->generating;
  self_->send(model, ctx, atom::generate_v, llm_client_actor{self_}, ticket,
              std::move(what.get_mutable_as<generation>(2)));
}

void link_state::generated(uint64_t ticket, std::string text) {
  auto at = served_.find(ticket);
  if (at == served_.end() || !at->second.model)
    return;
  auto offset = std::exchange(at->second.told, at->second.told + text.size());
  piece(context{}, ticket, {offset, std::move(text)});
}

void link_state::generated(uint64_t ticket, completion& result) {
  finish(ticket, caf::make_message(atom::completed_v, std::move(result)));
}

} // namespace sotto
