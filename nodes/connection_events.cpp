// Events of conversations to a WebSocket frontend: who wants which, and the leases at the sessions.
#include <array>

#include "messages/json_input.hpp"
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;
using kind = session_event::kind;

constexpr std::array<const char*, 4> event_names{"typing", "mood", "message", "lapsed"};
/// A session forgets a frontend that is not heard of for so long; it is renewed well before.
constexpr caf::timespan lease = std::chrono::minutes{5};
constexpr caf::timespan renew_every = std::chrono::minutes{2};
/// With more waiting to be sent (bytes), events are dropped.
constexpr size_t too_much_unsent = 256 << 10;

uint8_t read_kinds(field_reader& fields) {
  constexpr auto must = "must be an array of typing, mood and message";
  auto* names = fields.find("events");
  if (!names)
    return all_events;
  uint8_t result = 0;
  for (auto& name : names->is_array() ? *names : json::array()) {
    auto known = false;
    for (auto what : {kind::typing, kind::mood, kind::message})
      if (name == event_names[static_cast<size_t>(what)]) {
        result |= event_bit(what);
        known = true;
      }
    if (!known)
      fields.refuse("events", must);
  }
  if (result == 0)
    fields.refuse("events", must);
  return result;
}

json describe_event(const session_event& x) {
  json body{{"event", event_names[static_cast<size_t>(x.what)]},
            {"user", x.owner.owner},
            {"conversation", x.conversation}};
  if (!x.persona.empty())
    body["persona"] = x.persona;
  if (x.what == kind::typing)
    body["on"] = x.on;
  if (x.what == kind::mood)
    body["emotion"] = to_json_value(x.emotion);
  if (x.what == kind::message) {
    body["text"] = x.text;
    body["memory"] = x.id;
  }
  return body;
}

} // namespace

void connection_state::subscribe_call(const frontend_call& call, const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  event_wish wish;
  wish.owner = {who_.tenant, fields.id("user", max_name_bytes)};
  wish.conversation = fields.id("conversation", max_name_bytes);
  wish.persona = fields.text("persona", max_name_bytes);
  wish.kinds = read_kinds(fields);
  wish.id = call.id;
  if (wish.persona.empty())
    wish.persona = to_->with.default_persona;
  if (!why && !to_->with.has_persona(wish.persona))
    why = {ec::not_found, "there is no persona '" + wish.persona + "'", "body.persona"};
  if (!why && wish.owner.owner.empty() && !wish.conversation.empty())
    fields.refuse("conversation", "needs 'user'");
  if (why)
    return tell_error(call.id, trace, why);
  auto everyone = wish.owner.owner.empty();
  if (!everyone && wish.conversation.empty())
    wish.conversation = wish.owner.owner;
  if (everyone)
    socket_->everyone = std::move(wish);
  else if (!listen(std::move(wish)))
    return tell_error(call.id, trace,
                      {ec::overloaded, "too many subscriptions on this socket", {}});
  tell(call.id, "reply", trace, {{"subscriptions", socket_->wishes.size()}});
}

void connection_state::unsubscribe_call(const frontend_call& call, const std::string& trace) {
  failure why;
  field_reader fields{call.body, why, "body."};
  owner_key owner{who_.tenant, fields.id("user", max_name_bytes)};
  auto conversation = fields.id("conversation", max_name_bytes);
  if (why)
    return tell_error(call.id, trace, why);
  if (conversation.empty())
    conversation = owner.owner;
  size_t gone = 0;
  if (owner.owner.empty()) {
    socket_->everyone.reset();
    gone = socket_->wishes.size();
    end_events();
  } else if (auto wish = socket_->wishes.extract(event_place{owner, conversation})) {
    ask_events(wish.mapped(), caf::timespan{0});
    gone = 1;
  }
  tell(call.id, "reply", trace, {{"unsubscribed", gone}});
}

bool connection_state::listen(event_wish wish) {
  auto& wishes = socket_->wishes;
  event_place place{wish.owner, wish.conversation};
  if (!wishes.contains(place) && wishes.size() >= to_->with.limits.max_subscriptions)
    return false;
  ask_events(wish, lease);
  wishes.insert_or_assign(std::move(place), std::move(wish));
  arm_renewal();
  return true;
}

void connection_state::follow(const turn_request& turn) {
  if (!socket_ || !socket_->everyone || turn.owner.owner.empty()
      || socket_->wishes.contains({turn.owner, turn.conversation}))
    return;
  auto wish = *socket_->everyone;
  wish.owner = turn.owner;
  wish.conversation = turn.conversation;
  wish.persona = turn.persona;
  listen(std::move(wish));
}

void connection_state::ask_events(const event_wish& wish, caf::timespan time) {
  self_->send(to_->home_of(wish.owner), context{}, atom::subscribe_v, event_client_actor{self_},
              wish.owner, wish.conversation, subscription{wish.kinds, time.count(), wish.persona});
}

void connection_state::end_events() {
  for (auto& [place, wish] : std::exchange(socket_->wishes, {}))
    ask_events(wish, caf::timespan{0});
}

void connection_state::arm_renewal() {
  if (std::exchange(socket_->renewing, true))
    return;
  self_->delayed_send<caf::message_priority::high>(self_, renew_every, context{}, atom::tick_v);
}

void connection_state::renew() {
  socket_->renewing = false;
  if (!channel_ || socket_->wishes.empty())
    return;
  for (auto& [place, wish] : socket_->wishes)
    ask_events(wish, lease);
  arm_renewal();
}

void connection_state::event(const context& ctx, const session_event& x) {
  if (!channel_ || socket_->closing)
    return;
  auto at = socket_->wishes.find({x.owner, x.conversation});
  if (at == socket_->wishes.end())
    return;
  if (channel_->unsent() > too_much_unsent)
    return to_->metrics.event(false);
  to_->metrics.event(true);
  tell(at->second.id, "event", trace_id(ctx), describe_event(x));
  if (x.what == kind::lapsed)
    socket_->wishes.erase(at);
}

} // namespace sotto
