// What a session tells its listeners, and what the companion says of its own accord when its
// conversation has been silent for long.
#include <algorithm>

#include "actors/session.hpp"
#include "runtime/logging.hpp"

namespace sotto {

namespace {

using kind = session_event::kind;

/// What the model is told instead of a user's words.
std::string prompting(int64_t silence) {
  auto minutes = std::max<int64_t>(1, silence / 60'000'000'000);
  return "Nobody has said anything for " + std::to_string(minutes)
         + " minutes. Say something of your own accord, in one or two sentences: take up what was "
           "talked about or ask about it. Do not repeat yourself and do not mention this message.";
}

} // namespace

bool session_state::listened() {
  return events_ && events_->heard(self_->nanos());
}

void session_state::listen(const context& ctx, const event_client_actor& client,
                           const owner_key& owner, const std::string& conversation,
                           const subscription& x) {
  if (x.lease <= 0 && !events_)
    return;
  auto now = self_->nanos();
  if (!events_) {
    events_ = std::make_unique<session_events>();
    events_->said(now);
    events_->owner = owner;
    events_->conversation = conversation;
  }
  if (auto gone = events_->listen(client, x, now)) {
    session_event lapsed;
    lapsed.what = kind::lapsed;
    lapsed.owner = events_->owner;
    lapsed.conversation = events_->conversation;
    self_->send(gone->client, self_->child(ctx), atom::event_v, std::move(lapsed));
  }
  settle();
  await_silence();
}

void session_state::tell_event(const context& cause, session_event x) {
  if (!events_)
    return;
  x.owner = events_->owner;
  x.conversation = events_->conversation;
  events_->each(x.what, self_->nanos(), [&](const event_client_actor& to) {
    auto ctx = self_->child(cause);
    // Where too much waits, events are the first to be dropped; they are worth something late too.
    ctx.level = priority::background;
    ctx.deadline = 0;
    self_->send(to, ctx, atom::event_v, x);
  });
}

void session_state::tell_typing(const context& cause, bool on) {
  if (!events_ || std::exchange(events_->typing, on) == on)
    return;
  session_event x;
  x.what = kind::typing;
  x.persona = events_->persona;
  x.on = on;
  tell_event(cause, std::move(x));
}

void session_state::tell_mood() {
  auto& mood = turn_->reply.emotion;
  if (!events_ || mood.primary.empty() || mood.primary == events_->mood)
    return;
  events_->mood = mood.primary;
  session_event x;
  x.what = kind::mood;
  x.emotion = mood;
  tell_event(turn_->ctx, std::move(x));
}

/// A turn has come: the silence is over, and what was to be said into it is not said.
void session_state::silence_ended(const std::string& persona) {
  if (!events_)
    return;
  events_->said(self_->nanos());
  events_->persona = persona;
  if (speaking_ && !speaking_->storing)
    stop_speaking();
  await_silence();
}

std::optional<int64_t> session_state::speech_due() {
  auto who = parts_->personas.find(events_->persona);
  if (ephemeral_ || draining_ || speaking_ || who == parts_->personas.end()
      || !events_->heard(self_->nanos(), event_bit(kind::message)))
    return std::nullopt;
  return events_->due(who->second);
}

void session_state::await_silence() {
  if (!events_ || events_->armed)
    return;
  auto due = speaking_ ? std::optional{speaking_->ctx.deadline + 1} : speech_due();
  if (!due)
    return;
  events_->armed = true;
  auto least = speaking_ ? int64_t{1'000'000'000} : int64_t{1};
  auto left = std::max(*due - self_->nanos(), least);
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{left}, context{},
                                                   atom::silence_v);
}

void session_state::silent() {
  if (!events_)
    return;
  events_->armed = false;
  auto now = self_->nanos();
  if (speaking_ && speaking_->generating && speaking_->ctx.late(now))
    stop_speaking();
  auto due = speech_due();
  if (due && *due <= now && !turn_)
    return speak();
  if (due && *due <= now)
    events_->said(now); // a turn runs: there is no silence
  await_silence();
}

void session_state::speak() {
  speaking_ = std::make_unique<speech>();
  settle();
  speaking_->ticket = ++turn_number_;
  speaking_->persona = events_->persona;
  auto budget = parts_->options.turn_timeout;
  speaking_->ctx = self_->services().new_flow(self_->nanos(), budget.count(), priority::background);
  speaking_->ctx.tenant = tenant_number(events_->owner.tenant);
  events_->tried();
  await_silence();
  if (recent_loaded_)
    return compose();
  self_
      ->request(shard_, budget, self_->child(speaking_->ctx), atom::recent_v, events_->owner,
                events_->conversation,
                parts_->options.context_lines + parts_->options.summary_lines)
      .then(
          [this, n = speaking_->ticket](conversation_end& end) {
            if (!speaking_ || speaking_->ticket != n)
              return;
            auto early = spoken_early(end.lines);
            if (!recent_loaded_)
              take_end(std::move(end));
            if (early)
              stop_speaking();
            else
              compose();
          },
          [this, n = speaking_->ticket](const caf::error&) {
            if (speaking_ && speaking_->ticket == n)
              stop_speaking();
          });
}

/// Whether what was stored before this session began says that it is not the time: somebody spoke
/// since, or the companion did so of its own accord.
bool session_state::spoken_early(const std::vector<memory>& stored) {
  std::vector<line_time> lines;
  lines.reserve(stored.size());
  for (auto& x : stored)
    lines.push_back({x.own, x.created});
  if (lines.empty())
    return true;
  auto now = self_->nanos();
  auto wall = self_->unix_micros();
  auto to_nanos = [&](int64_t micros) { return now - (wall - micros) * 1000; };
  auto before = unasked(lines);
  auto spoke_last = !before.empty() && before.back() == lines.back().created;
  std::ranges::transform(before, before.begin(), to_nanos);
  events_->know(to_nanos(lines.back().created), before, spoke_last);
  auto due = events_->due(parts_->personas.at(speaking_->persona));
  if (!due || *due > now)
    return true;
  events_->tried();
  return false;
}

void session_state::compose() {
  auto& who = parts_->personas.at(speaking_->persona);
  if (recent_.empty())
    return stop_speaking(); // there is nothing to take up
  turn_request nobody;
  nobody.owner = events_->owner;
  nobody.conversation = events_->conversation;
  static const emotion_reading no_mood;
  static const std::vector<recalled> nothing;
  generation ask;
  ask.tenant = events_->owner.tenant;
  ask.deployments = who.llm;
  ask.model = who.model;
  ask.persona = who.name;
  ask.messages =
      build_prompt({who, nobody, no_mood, nothing, recent_, before().text}, parts_->options);
  ask.messages.back() = {"system", prompting(events_->silence(self_->nanos()))};
  ask.parameters = merge_parameters({}, who);
  events_->spoke(self_->nanos());
  tell_typing(speaking_->ctx, true);
  speaking_->generating = true;
  self_->send(parts_->llm, self_->child(speaking_->ctx), atom::generate_v, llm_client_actor{self_},
              speaking_->ticket, std::move(ask));
}

void session_state::composed(std::string text) {
  speaking_->generating = false;
  // With nobody to hear it, it was not said.
  if (text.empty() || !events_->heard(self_->nanos(), event_bit(kind::message)))
    return stop_speaking();
  speaking_->storing = true;
  memory_write write;
  write.owner = events_->owner;
  memory line;
  line.text = text;
  line.conversation = events_->conversation;
  line.speaker = parts_->personas.at(speaking_->persona).name;
  line.created = self_->unix_micros();
  line.own = true;
  write.memories.push_back(std::move(line));
  auto ctx = self_->child(speaking_->ctx);
  ctx.deadline = 0;
  self_->request(shard_, parts_->options.store_timeout, ctx, atom::remember_v, std::move(write))
      .then([this, text](const memory_receipt& x) { said(text, x); },
            [this](const caf::error& err) {
              warn_seldom("session speak", "session could not store what the companion said first: "
                                               + to_failure(err).message);
              stop_speaking();
            });
}

void session_state::said(const std::string& text, const memory_receipt& receipt) {
  auto& who = parts_->personas.at(speaking_->persona);
  session_event x;
  x.what = kind::message;
  x.persona = who.name;
  x.text = text;
  if (!receipt.ids.empty())
    x.id = receipt.ids.front();
  if (recent_loaded_) {
    recent_.push_back({who.name, text, true, receipt.seqs.empty() ? 0 : receipt.seqs.front()});
    trim();
  }
  tell_event(speaking_->ctx, std::move(x));
  stop_speaking();
}

void session_state::stop_speaking() {
  if (speaking_->generating)
    self_->send<caf::message_priority::high>(parts_->llm, self_->child(speaking_->ctx),
                                             atom::cancel_v, llm_client_actor{self_},
                                             speaking_->ticket);
  if (!turn_ || !turn_->generating)
    tell_typing(speaking_->ctx, false);
  speaking_.reset();
  settle();
  await_silence();
  if (draining_ && !turn_)
    self_->quit();
}

} // namespace sotto
