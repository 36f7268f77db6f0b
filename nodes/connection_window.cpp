// Frames of a WebSocket, and which of its calls run: those above `gateway.max_in_flight` wait here.
#include "messages/json_input.hpp"
#include "nodes/connection.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr int64_t nanos_per_ms = 1'000'000;
/// With more waiting to be sent (bytes), tokens are gathered into larger pieces.
constexpr size_t much_unsent = 64 << 10;

/// An error that tells of credit; its code is the protocol's own.
json flow_error() {
  auto body = error_body(
      {ec::overloaded, "there is no credit for this call; wait for answers or for 'credit'", {}});
  body["code"] = "flow_control";
  return body;
}

} // namespace

void connection_state::upgraded(bool is_json) {
  auto format = is_json ? frontend_format::json : frontend_format::msgpack;
  socket_ = std::make_unique<socket_work>(format, to_->with.limits);
  close_if_drained();
}

void connection_state::tell(const json& id, std::string_view type, const std::string& trace,
                            json body) {
  if (channel_)
    channel_->frame(write_answer(id, type, trace, std::move(body), socket_->format));
}

void connection_state::tell_error(const json& id, const std::string& trace, const failure& why) {
  tell(id, "error", trace, error_body(why));
}

void connection_state::end_call(const json& id, const std::string& trace, json body) {
  tell(id, "reply", trace, std::move(body));
  call_ended();
}

void connection_state::end_error(const json& id, const std::string& trace, const failure& why) {
  tell_error(id, trace, why);
  call_ended();
}

void connection_state::call_ended() {
  socket_->calls.ended();
  start_calls();
  close_if_drained();
}

void connection_state::frame(const std::string& bytes) {
  if (socket_->closing || !channel_)
    return;
  failure why;
  auto call = read_call(bytes, socket_->format, why);
  auto waits = false;
  if (why)
    tell_error(call.id, {}, why);
  else
    waits = receive(std::move(call), bytes.size());
  // What waits is given back when it is started.
  channel_->taken(1, waits ? 0 : bytes.size());
  if (waits)
    start_calls();
}

bool connection_state::receive(frontend_call call, size_t bytes) {
  auto ctx = self_->services().new_flow(self_->nanos(), call.deadline_ms * nanos_per_ms,
                                        who_.allowed(call.level));
  ctx.tenant = tenant_number(who_.tenant);
  if (auto given = context_from_traceparent(call.trace))
    ctx.join(*given);
  auto trace = trace_id(ctx);
  if (control_call(call, trace))
    return false;
  if (to_->draining) {
    tell_error(call.id, trace, {ec::unavailable, "the node is shutting down", {}});
    return false;
  }
  if (auto why = who_.over_rate(self_->nanos())) {
    tell_error(call.id, trace, why);
    return false;
  }
  auto id = call.id;
  using verdict = call_window<socket_call>::verdict;
  switch (socket_->calls.arrive(ctx.level, {ctx, std::move(call), trace, bytes})) {
  case verdict::taken:
    return true;
  case verdict::refused:
    tell(id, "error", trace, flow_error());
    return false;
  default:
    socket_->closing = true;
    channel_->close(socket_code::flow_control, "too many calls without credit");
    return false;
  }
}

void connection_state::start_calls() {
  // A call that ends at once comes here again: the loop goes on instead of going deeper.
  if (std::exchange(socket_->starting, true))
    return;
  while (auto next = socket_->calls.next()) {
    if (channel_)
      channel_->taken(0, next->bytes);
    if (next->ctx.late(self_->nanos()))
      end_error(next->call.id, next->trace,
                {ec::timeout, "the deadline passed while the call waited", {}});
    else
      serve(next->ctx, next->call, next->trace);
  }
  socket_->starting = false;
  if (auto calls = socket_->calls.grant())
    tell(nullptr, "credit", {}, {{"calls", calls}});
}

bool connection_state::control_call(const frontend_call& call, const std::string& trace) {
  if (call.type == "cancel")
    cancel_call(call, trace);
  else if (call.type == "hello")
    hello_call(call, trace);
  else if (call.type == "credit")
    credit_call(call, trace);
  else if (call.type == "subscribe")
    subscribe_call(call, trace);
  else if (call.type == "unsubscribe")
    unsubscribe_call(call, trace);
  else
    return false;
  return true;
}

void connection_state::hello_call(const frontend_call& call, const std::string& trace) {
  auto& limits = to_->with.limits;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limits.idle_timeout).count();
  socket_->calls.tell_credit();
  tell(call.id, "reply", trace,
       {{"protocol", 1},
        {"calls", socket_->calls.credit()},
        {"limits",
         {{"calls", limits.max_calls},
          {"in_flight", limits.max_in_flight},
          {"frame", limits.max_frame},
          {"text", limits.max_text},
          {"unsent", limits.max_unsent},
          {"subscriptions", limits.max_subscriptions},
          {"idle_ms", ms}}}});
}

void connection_state::credit_call(const frontend_call& call, const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  auto pieces = fields.integer("tokens", 1, most_pieces);
  auto* id = fields.find("id");
  if (!pieces)
    fields.refuse("tokens", "is required");
  if (!id)
    fields.refuse("id", "is required");
  if (why)
    return tell_error(call.id, trace, why);
  for (auto& [ticket, x] : running_)
    if (x.id == *id)
      if (auto piece = x.pacer.granted(static_cast<uint64_t>(*pieces)))
        tell_token(x, std::move(*piece));
}

void connection_state::cancel_call(const frontend_call& call, const std::string& trace) {
  auto target = call.body.find("id");
  if (target == call.body.end())
    return tell_error(call.id, trace, {ec::invalid, "'body.id' is required", "body.id"});
  constexpr auto why = "the call was cancelled";
  auto waits = [&](const socket_call& x) { return x.call.id == *target; };
  if (auto waiting = socket_->calls.withdraw(waits)) {
    channel_->taken(0, waiting->bytes);
    tell_error(waiting->call.id, waiting->trace, {ec::cancelled, why, {}});
    tell(call.id, "reply", trace, {{"cancelled", true}});
    return start_calls();
  }
  for (auto& [key, x] : running_) {
    if (x.id != *target)
      continue;
    auto ticket = key; // `take` removes what `key` belongs to
    auto taken = take(ticket);
    cancel(ticket, taken, false);
    tell_error(taken.id, taken.trace, {ec::cancelled, why, {}});
    tell(call.id, "reply", trace, {{"cancelled", true}});
    return call_ended();
  }
  tell(call.id, "reply", trace, {{"cancelled", false}});
}

void connection_state::stream(running_turn& x, stream_piece piece) {
  auto busy = channel_->unsent() > much_unsent;
  if (auto now = x.pacer.arrived(std::move(piece), busy))
    tell_token(x, std::move(*now));
}

void connection_state::tell_resumed(const running_turn& x, bool recovered) {
  tell(x.id, "resumed", x.trace, {{"recovered", recovered}, {"offset", recovered ? x.resume : 0}});
}

void connection_state::tell_token(const running_turn& x, stream_piece piece) {
  tell(x.id, "token", x.trace, {{"text", std::move(piece.text)}, {"offset", piece.offset}});
}

void connection_state::drain() {
  draining_ = true;
  close_if_drained();
}

void connection_state::close_if_drained() {
  if (draining_ && socket_ && channel_ && socket_->calls.under_way() == 0)
    channel_->close(socket_code::going_away, "the node is shutting down");
}

} // namespace sotto
