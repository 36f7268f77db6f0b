#include <algorithm>
#include <limits>

#include "messages/json_input.hpp"
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"
#include "nodes/nobody.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_texts = 10'000;

} // namespace

void connection_state::serve(const context& ctx, const frontend_call& call,
                             const std::string& trace) {
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
  end_error(call.id, trace,
            {ec::not_found,
             "there is no such call; there are say (to session), remember, recall, forget (to "
             "memory), emotion (to emotion), hello, credit, cancel, subscribe and unsubscribe",
             "type"});
}

void connection_state::say_call(const context& ctx, const frontend_call& call,
                                const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  turn_request turn;
  turn.owner = {who_.tenant, fields.id("user", max_name_bytes)};
  turn.text = fields.text("text", to_->with.limits.max_text, true);
  auto group = fields.id("group", max_name_bytes);
  if (!group.empty() && turn.owner.owner.empty())
    fields.refuse("user", "is required with 'group': who speaks there");
  turn.conversation = fields.id("conversation", max_name_bytes);
  turn.speaker = fields.text("speaker", max_name_bytes);
  turn.persona = fields.text("persona", max_name_bytes);
  turn.idempotency_key = fields.text("idempotency_key", 255);
  turn.stream = fields.flag("stream", false);
  auto tokens = fields.integer("tokens", 0, most_pieces);
  if (auto from = fields.integer("resume", 0, std::numeric_limits<int64_t>::max())) {
    turn.resume_from = *from;
    turn.stream = true;
    if (turn.idempotency_key.empty())
      fields.refuse("idempotency_key", "is required with 'resume'");
  }
  if (turn.persona.empty())
    turn.persona = to_->with.default_persona;
  if (turn.speaker.empty())
    turn.speaker = turn.owner.owner.empty() ? "user" : turn.owner.owner;
  if (!group.empty())
    speak_in(group, turn.conversation.empty(), turn);
  if (turn.owner.owner.empty())
    turn.conversation = nobodys_conversation(turn, ctx);
  else if (turn.conversation.empty())
    turn.conversation = turn.owner.owner;
  if (!why && !to_->with.has_persona(turn.persona))
    why = {ec::not_found, "there is no persona '" + turn.persona + "'", "body.persona"};
  if (why)
    return end_error(call.id, trace, why);
  turn.level = call.level;
  turn.level_given = call.level_given;
  running_turn what;
  what.id = call.id;
  what.trace = trace;
  if (ctx.level != call.level)
    what.lowered = ctx.level;
  if (tokens)
    what.pacer = token_pacer{static_cast<uint64_t>(*tokens)};
  follow(turn);
  say(ctx, std::move(turn), std::move(what));
}

void connection_state::memory_call(const context& ctx, const frontend_call& call,
                                   const std::string& trace) {
  failure why;
  if (call.type == "recall") {
    auto query = read_search(call.body, who_.tenant, why);
    if (why)
      return end_error(call.id, trace, why);
    recall(
        ctx, std::move(query),
        [this, id = call.id, trace](const std::vector<recalled>& x) {
          end_call(id, trace, search_answer(x));
        },
        [this, id = call.id, trace](const failure& x) { end_error(id, trace, x); });
    return;
  }
  auto many = call.body.find("memories");
  auto ask = std::make_shared<remember_call>(
      read_remember(many == call.body.end() ? call.body : *many, who_.tenant, why));
  if (why)
    return end_error(call.id, trace, why);
  remember_all(
      ctx, ask,
      [this, ask, id = call.id, trace](auto& receipts) {
        end_call(id, trace, remember_answer(*ask, receipts));
      },
      [this, id = call.id, trace](const failure& x) { end_error(id, trace, x); });
}

void connection_state::forget_call(const context& ctx, const frontend_call& call,
                                   const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  owner_key owner{who_.tenant, fields.id("user", max_name_bytes, true)};
  auto id = fields.id("id", max_name_bytes);
  if (why)
    return end_error(call.id, trace, why);
  auto home = to_->home_of(owner);
  auto done = [this, call_id = call.id, trace](json body) {
    end_call(call_id, trace, std::move(body));
  };
  auto failed = [this, call_id = call.id, trace](const caf::error& err) {
    end_error(call_id, trace, to_failure(err));
  };
  if (id.empty())
    return forget(ctx, owner, done, [this, call_id = call.id, trace](const failure& x) {
      end_error(call_id, trace, x);
    });
  self_->request(home, patience(), within(ctx), atom::remove_v, owner, id)
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
    return end_error(call.id, trace, why);
  auto single = many == nullptr;
  self_->request(to_->emotion, patience(), within(ctx), atom::analyse_v, std::move(texts))
      .then(
          [this, id = call.id, trace, single](const std::vector<emotion_reading>& x) {
            if (single)
              return end_call(id, trace, to_json_value(x.at(0)));
            auto results = json::array();
            for (auto& y : x)
              results.push_back(to_json_value(y));
            end_call(id, trace, {{"results", std::move(results)}});
          },
          [this, id = call.id, trace](const caf::error& err) {
            end_error(id, trace, to_failure(err));
          });
}

} // namespace sotto
