#include "messages/json_input.hpp"
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_texts = 10'000;
constexpr int64_t nanos_per_ms = 1'000'000;

} // namespace

void connection_state::upgraded(bool is_json) {
  socket_ = true;
  format_ = is_json ? frontend_format::json : frontend_format::msgpack;
}

void connection_state::tell(const json& id, std::string_view type, const std::string& trace,
                            json body) {
  if (channel_)
    channel_->frame(write_answer(id, type, trace, std::move(body), format_));
  if (type != "token")
    close_if_drained();
}

void connection_state::drain() {
  draining_ = true;
  close_if_drained();
}

void connection_state::close_if_drained() {
  constexpr uint16_t going_away = 1001; // RFC 6455, 7.4.1
  if (draining_ && channel_ && running_.empty() && calls_ == 0)
    channel_->close(going_away, "the node is shutting down");
}

void connection_state::tell_error(const json& id, const std::string& trace, const failure& why) {
  tell(id, "error", trace, error_body(why));
}

void connection_state::frame(const std::string& bytes) {
  failure why;
  auto call = read_call(bytes, format_, why);
  if (why)
    return tell_error(call.id, {}, why);
  serve(std::move(call));
}

void connection_state::serve(frontend_call call) {
  auto ctx = self_->services().new_flow(self_->nanos(), call.deadline_ms * nanos_per_ms,
                                        who_.allowed(call.level));
  if (auto given = context_from_traceparent(call.trace)) {
    ctx.trace_hi = given->trace_hi;
    ctx.trace_lo = given->trace_lo;
    ctx.parent = given->parent;
  }
  auto trace = trace_id(ctx);
  if (call.type == "cancel")
    return cancel_call(call, trace);
  if (running_.size() + calls_ >= to_->with.limits.max_in_flight)
    return tell_error(call.id, trace,
                      {ec::overloaded, "too many calls are under way on this socket", {}});
  if (to_->draining)
    return tell_error(call.id, trace, {ec::unavailable, "the node is shutting down", {}});
  if (auto why = over_rate())
    return tell_error(call.id, trace, why);
  auto is = [&](const char* type, const char* to) {
    return call.type == type && (call.to.empty() || call.to == to);
  };
  if (is("say", "session"))
    return say_call(ctx, call, trace);
  if (is("remember", "memory") || is("recall", "memory"))
    return memory_call(ctx, call, trace);
  if (is("forget", "memory"))
    return forget_call(ctx, call, trace);
  if (is("emotion", "emotion"))
    return emotion_call(ctx, call, trace);
  tell_error(call.id, trace,
             {ec::not_found,
              "there is no such call; there are say (to session), remember, recall, forget (to "
              "memory), emotion (to emotion) and cancel",
              "type"});
}

failure connection_state::over_rate() const {
  auto x = who_.rate ? who_.rate->take(self_->nanos()) : rate_verdict{};
  if (x.allowed)
    return {};
  return {ec::overloaded,
          fmt::format("the rate limit of this API key is passed; again in {} ms",
                      (x.wait + nanos_per_ms - 1) / nanos_per_ms),
          {}};
}

void connection_state::say_call(const context& ctx, const frontend_call& call,
                                const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  turn_request turn;
  turn.owner = {who_.tenant, fields.id("user", max_name_bytes)};
  turn.text = fields.text("text", to_->with.limits.max_text, true);
  turn.conversation = fields.id("conversation", max_name_bytes);
  turn.speaker = fields.text("speaker", max_name_bytes);
  turn.persona = fields.text("persona", max_name_bytes);
  turn.idempotency_key = fields.text("idempotency_key", 255);
  turn.stream = fields.flag("stream", false);
  if (turn.persona.empty())
    turn.persona = to_->with.default_persona;
  if (turn.speaker.empty())
    turn.speaker = turn.owner.owner.empty() ? "user" : turn.owner.owner;
  if (turn.owner.owner.empty())
    turn.conversation = trace;
  else if (turn.conversation.empty())
    turn.conversation = turn.owner.owner;
  if (!why && !to_->with.has_persona(turn.persona))
    why = {ec::not_found, "there is no persona '" + turn.persona + "'", "body.persona"};
  if (why)
    return tell_error(call.id, trace, why);
  turn.level = call.level;
  turn.level_given = call.level_given;
  running_turn what;
  what.id = call.id;
  what.trace = trace;
  if (ctx.level != call.level)
    what.lowered = ctx.level;
  say(ctx, std::move(turn), std::move(what));
}

void connection_state::cancel_call(const frontend_call& call, const std::string& trace) {
  auto target = call.body.find("id");
  if (target == call.body.end())
    return tell_error(call.id, trace, {ec::invalid, "'body.id' is required", "body.id"});
  for (auto& [key, x] : running_) {
    if (x.id != *target)
      continue;
    auto ticket = key; // `take` removes what `key` belongs to
    auto taken = take(ticket);
    cancel(ticket, taken, false);
    tell_error(taken.id, taken.trace, {ec::cancelled, "the call was cancelled", {}});
    return tell(call.id, "reply", trace, {{"cancelled", true}});
  }
  tell(call.id, "reply", trace, {{"cancelled", false}});
}

void connection_state::memory_call(const context& ctx, const frontend_call& call,
                                   const std::string& trace) {
  failure why;
  if (call.type == "recall") {
    auto query = read_search(call.body, who_.tenant, why);
    if (why)
      return tell_error(call.id, trace, why);
    ++calls_;
    recall(
        ctx, std::move(query),
        [this, id = call.id, trace](const std::vector<recalled>& x) {
          --calls_;
          tell(id, "reply", trace, search_answer(x));
        },
        [this, id = call.id, trace](const failure& x) {
          --calls_;
          tell_error(id, trace, x);
        });
    return;
  }
  auto many = call.body.find("memories");
  auto ask = std::make_shared<remember_call>(
      read_remember(many == call.body.end() ? call.body : *many, who_.tenant, why));
  if (why)
    return tell_error(call.id, trace, why);
  ++calls_;
  remember_all(
      ctx, ask,
      [this, ask, id = call.id, trace](auto& receipts) {
        --calls_;
        tell(id, "reply", trace, remember_answer(*ask, receipts));
      },
      [this, id = call.id, trace](const failure& x) {
        --calls_;
        tell_error(id, trace, x);
      });
}

void connection_state::forget_call(const context& ctx, const frontend_call& call,
                                   const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  owner_key owner{who_.tenant, fields.id("user", max_name_bytes, true)};
  auto id = fields.id("id", max_name_bytes);
  if (why)
    return tell_error(call.id, trace, why);
  auto& home = to_->home_of(owner);
  auto done = [this, call_id = call.id, trace](json body) {
    --calls_;
    tell(call_id, "reply", trace, std::move(body));
  };
  auto failed = [this, call_id = call.id, trace](const caf::error& err) {
    --calls_;
    tell_error(call_id, trace, to_failure(err));
  };
  ++calls_;
  if (id.empty())
    self_->request(home, patience(), self_->child(ctx), atom::forget_v, owner)
        .then([done](const forget_receipt& x) { done(to_json_value(x)); }, failed);
  else
    self_->request(home, patience(), self_->child(ctx), atom::remove_v, owner, id)
        .then(
            [done, id](bool removed) {
              done({{"id", id}, {"deleted", removed}});
            },
            failed);
}

void connection_state::emotion_call(const context& ctx, const frontend_call& call,
                                    const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  std::vector<std::string> texts;
  auto* many = fields.find("texts");
  if (!many) {
    texts.push_back(fields.text("text", 1 << 20));
  } else if (!many->is_array() || many->size() > max_texts) {
    fields.refuse("texts", "must be an array of at most 10000 strings");
  } else {
    for (auto& x : *many) {
      if (!x.is_string())
        fields.refuse("texts", "may hold strings only");
      else
        texts.push_back(x.get<std::string>());
    }
  }
  if (why)
    return tell_error(call.id, trace, why);
  ++calls_;
  auto single = many == nullptr;
  self_->request(to_->emotion, patience(), self_->child(ctx), atom::analyse_v, std::move(texts))
      .then(
          [this, id = call.id, trace, single](const std::vector<emotion_reading>& x) {
            --calls_;
            if (single)
              return tell(id, "reply", trace, to_json_value(x.at(0)));
            auto results = json::array();
            for (auto& y : x)
              results.push_back(to_json_value(y));
            tell(id, "reply", trace, {{"results", std::move(results)}});
          },
          [this, id = call.id, trace](const caf::error& err) {
            --calls_;
            tell_error(id, trace, to_failure(err));
          });
}

} // namespace sotto
