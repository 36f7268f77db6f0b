#include "nodes/connection.hpp"

#include <algorithm>

#include "nodes/json_output.hpp"
#include "nodes/reply_frame.hpp"

namespace sotto {

void connection_state::init(self_pointer self, std::shared_ptr<gateway_handles> to,
                            std::shared_ptr<reply_channel> channel) {
  self_ = self;
  to_ = std::move(to);
  channel_ = std::move(channel);
}

uint64_t connection_state::say(const context& ctx, turn_request turn, running_turn what) {
  auto ticket = next_ticket_++;
  what.owner = turn.owner;
  what.conversation = turn.conversation;
  what.stream = turn.stream;
  what.resume = static_cast<uint64_t>(std::max<int64_t>(0, turn.resume_from));
  if (!socket_) {
    turn.level = ctx.level;
    turn.level_given = work_.level_given;
  }
  // All at one level, so that turns of one conversation cannot overtake each other on the way.
  auto on_the_way = self_->child(ctx);
  on_the_way.level = priority::normal;
  what.home = to_->turns_of();
  self_->send(what.home, on_the_way, atom::say_v, turn_client_actor{self_}, ticket,
              std::move(turn));
  running_.emplace(ticket, std::move(what));
  return ticket;
}

uint64_t connection_state::generate(const context& ctx, generation ask) {
  auto ticket = next_ticket_++;
  running_turn what;
  what.direct = true;
  running_.emplace(ticket, std::move(what));
  self_->send(to_->llm, within(ctx, to_->with.turn_timeout), atom::generate_v,
              llm_client_actor{self_}, ticket, std::move(ask));
  return ticket;
}

void connection_state::cancel(uint64_t ticket, const running_turn& x, bool lost) {
  if (x.direct)
    self_->send<caf::message_priority::high>(to_->llm, context{}, atom::cancel_v,
                                             llm_client_actor{self_}, ticket);
  else
    self_->send<caf::message_priority::high>(x.home, context{}, atom::cancel_v,
                                             turn_client_actor{self_}, ticket, x.owner,
                                             x.conversation, lost);
}

connection_state::running_turn connection_state::take(uint64_t ticket) {
  auto node = running_.extract(ticket);
  return node.empty() ? running_turn{} : std::move(node.mapped());
}

void connection_state::closed() {
  for (auto& [ticket, x] : running_)
    cancel(ticket, x, true);
  running_.clear();
  if (socket_)
    end_events();
  channel_.reset();
  self_->quit();
}

void connection_state::resumed(uint64_t ticket, bool recovered) {
  auto at = running_.find(ticket);
  if (at == running_.end())
    return;
  at->second.pacer.begin(recovered ? at->second.resume : 0);
  if (socket_)
    return tell_resumed(at->second, recovered);
  work_.recovered = recovered;
}

void connection_state::token(uint64_t ticket, const stream_piece& piece) {
  auto at = running_.find(ticket);
  if (at == running_.end())
    return;
  if (socket_)
    return stream(at->second, piece);
  if (auto now = at->second.pacer.arrived(piece, false))
    tell_piece(*now);
}

void connection_state::tell_piece(const stream_piece& piece) {
  begin_stream();
  auto event = chat_token_event(piece.text, stream_model(), work_.trace, seconds_now());
  // The id is where the stream can be taken up again.
  if (!work_.chat.turn.idempotency_key.empty())
    event = fmt::format("id: {}\n{}", piece.offset + piece.text.size(), event);
  channel_->piece(std::move(event));
}

void connection_state::passed(uint64_t ticket, const std::string& text) {
  if (!running_.contains(ticket))
    return;
  begin_stream();
  channel_->piece(chat_token_event(text, stream_model(), work_.trace, seconds_now()));
}

const std::string& connection_state::stream_model() const {
  return work_.chat.pass_through ? work_.chat.direct.model : work_.chat.turn.persona;
}

// Not before there is something to stream: what fails earlier gets its own status.
void connection_state::begin_stream() {
  if (std::exchange(work_.streaming, true))
    return;
  http_answer head;
  head.content_type = "text/event-stream";
  head.headers = {
      {"Cache-Control", "no-cache"}, {"Sotto-Trace", work_.trace}, {"x-request-id", work_.trace}};
  if (work_.recovered)
    head.headers.emplace_back("Sotto-Recovered", *work_.recovered ? "true" : "false");
  if (work_.lowered)
    head.headers.emplace_back("Sotto-Priority", to_string(work_.ctx.level));
  channel_->begin(std::move(head));
  channel_->piece(chat_first_event(stream_model(), work_.trace, seconds_now()));
}

void connection_state::completed(uint64_t ticket, turn_reply reply) {
  if (!running_.contains(ticket))
    return;
  auto x = take(ticket);
  if (socket_) {
    if (auto piece = x.stream ? x.pacer.last(reply.text) : std::nullopt)
      tell_token(x, std::move(*piece));
    if (channel_)
      channel_->frame(reply_frame(x.id, x.trace, reply, x.lowered, socket_->format));
    return call_ended();
  }
  auto created = self_->unix_micros();
  switch (work_.as) {
  case shape::plain_batch:
    work_.results[ticket - work_.first_ticket] = plain_chat_answer(
        work_.batch.turns[ticket - work_.first_ticket], reply, work_.batch.level, created);
    if (--work_.left == 0)
      answer_batch();
    break;
  case shape::plain:
    answer(plain_chat_answer(work_.batch.turns[0], reply, work_.batch.level, created));
    break;
  case shape::openai:
    if (work_.chat.stream) {
      begin_stream();
      if (auto piece = x.pacer.last(reply.text))
        tell_piece(*piece);
      channel_->piece(
          chat_last_events(reply, work_.chat.include_usage, work_.trace, seconds_now()));
      answer(http_answer{});
    } else {
      http_answer whole;
      whole.body = chat_completion(reply, work_.trace, seconds_now());
      answer(std::move(whole));
    }
  }
}

void connection_state::completed(uint64_t ticket, completion reply) {
  if (!running_.contains(ticket))
    return;
  take(ticket);
  if (work_.chat.stream) {
    begin_stream();
    channel_->piece(chat_last_events(reply, work_.chat.include_usage, work_.trace, seconds_now()));
    answer(http_answer{});
    return;
  }
  http_answer whole;
  whole.body = chat_completion(reply, work_.trace, seconds_now());
  answer(std::move(whole));
}

void connection_state::failed(uint64_t ticket, const failure& why) {
  if (!running_.contains(ticket))
    return;
  auto x = take(ticket);
  if (socket_)
    return end_error(x.id, x.trace, why);
  if (work_.as == shape::plain_batch) {
    work_.results[ticket - work_.first_ticket] =
        plain_chat_failure(why, to_->with.default_persona, self_->unix_micros());
    if (--work_.left == 0)
      answer_batch();
    return;
  }
  if (!work_.streaming)
    return refuse(why);
  channel_->piece(chat_error_event(why));
  answer(http_answer{});
}

void connection_state::remember_all(const context& ctx, std::shared_ptr<remember_call> call,
                                    std::function<void(const std::vector<memory_receipt>&)> done,
                                    std::function<void(const failure&)> fail) {
  struct gather {
    std::vector<memory_receipt> receipts;
    size_t left = 0;
    failure why;
  };
  auto all = std::make_shared<gather>();
  all->left = call->writes.size();
  all->receipts.resize(call->writes.size());
  auto arrived = [all, done, fail] {
    if (--all->left > 0)
      return;
    if (all->why)
      fail(all->why);
    else
      done(all->receipts);
  };
  for (size_t i = 0; i < call->writes.size(); ++i) {
    auto home = to_->home_of(call->writes[i].owner);
    self_->request(home, patience(), within(ctx), atom::remember_v, std::move(call->writes[i]))
        .then(
            [all, arrived, i](memory_receipt& x) {
              all->receipts[i] = std::move(x);
              arrived();
            },
            [all, arrived](const caf::error& err) {
              all->why = to_failure(err);
              arrived();
            });
  }
}

void connection_state::recall(const context& ctx, memory_query query,
                              std::function<void(const std::vector<recalled>&)> done,
                              std::function<void(const failure&)> fail) {
  auto search = [this, ctx, done = std::move(done), fail = std::move(fail)](memory_query& x) {
    auto home = to_->home_of(x.owner);
    self_->request(home, patience(), within(ctx), atom::recall_v, std::move(x))
        .then([done](const std::vector<recalled>& found) { done(found); },
              [fail](const caf::error& err) { fail(to_failure(err)); });
  };
  if (!to_->embeds_elsewhere || query.text.empty())
    return search(query);
  auto shared = std::make_shared<memory_query>(std::move(query));
  self_
      ->request(to_->embedding, patience() / 2, within(ctx, patience() / 2), atom::embed_v,
                shared->text)
      .then(
          [shared, search](std::vector<float>& vector) {
            shared->vector = std::move(vector);
            search(*shared);
          },
          [shared, search](const caf::error&) { search(*shared); });
}

connection_actor::behavior_type connection(actor_of<connection_actor, connection_state>* self,
                                           std::shared_ptr<gateway_handles> to,
                                           std::shared_ptr<reply_channel> channel) {
  auto& state = self->state;
  state.init(self, std::move(to), std::move(channel));
  return {
      [&state](const context&, atom::token, uint64_t ticket, const stream_piece& piece) {
        state.token(ticket, piece);
      },
      [&state](const context&, atom::resumed, uint64_t ticket, bool recovered) {
        state.resumed(ticket, recovered);
      },
      [&state](const context&, atom::completed, uint64_t ticket, turn_reply& x) {
        state.completed(ticket, std::move(x));
      },
      [&state](const context&, atom::failed, uint64_t ticket, const failure& why) {
        state.failed(ticket, why);
      },
      [&state](const context&, atom::token, uint64_t ticket, const std::string& text) {
        state.passed(ticket, text);
      },
      [&state](const context&, atom::completed, uint64_t ticket, completion& x) {
        state.completed(ticket, std::move(x));
      },
      [&state](const context&, atom::request, http_call& call) { state.request(std::move(call)); },
      [&state](const context&, atom::upgrade, caller& who) { state.admitted(std::move(who)); },
      [&state](const context&, atom::upgrade, bool json) { state.upgraded(json); },
      [&state](const context&, atom::frame, const std::string& bytes) { state.frame(bytes); },
      [&state](const context&, atom::cancel) { state.closed(); },
      [&state](const context&, atom::drain) { state.drain(); },
      [&state](const context&, atom::tick) { state.renew(); },
      [&state](const context& ctx, atom::event, const session_event& x) { state.event(ctx, x); },
  };
}

socket_owner connect_sockets(caf::actor_system& system, std::shared_ptr<gateway_handles> to) {
  return [&system, to](std::shared_ptr<reply_channel> channel) -> socket_events {
    auto actor = system.spawn<caf::lazy_init>(connection, to, std::move(channel));
    return {
        [actor](http_call call) {
          caf::anon_send(actor, context{}, atom::request_v, std::move(call));
        },
        {},
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::cancel_v); },
        [actor](caller who) { caf::anon_send(actor, context{}, atom::upgrade_v, std::move(who)); },
        [actor](bool json) { caf::anon_send(actor, context{}, atom::upgrade_v, json); },
        [actor](std::string bytes) {
          caf::anon_send(actor, context{}, atom::frame_v, std::move(bytes));
        },
        [actor] { caf::anon_send<caf::message_priority::high>(actor, context{}, atom::drain_v); },
    };
  };
}

} // namespace sotto
