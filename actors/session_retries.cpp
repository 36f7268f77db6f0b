// Turns that come again with their key, and streams that are taken up again where they were cut.
#include "actors/session.hpp"
#include "actors/turn_journal.hpp"

namespace sotto {

namespace {

failure contradiction() {
  return {ec::invalid,
          "the idempotency key was used for another text of this conversation; give each turn a "
          "key of its own",
          "idempotency_key"};
}

} // namespace

bool session_state::retried(waiting_turn& turn) {
  auto& key = turn.request.idempotency_key;
  if (key.empty())
    return false;
  auto same = [&](const queued_turn& x) { return x.request.idempotency_key == key; };
  queued_turn* known = turn_ && same(*turn_) ? turn_.get() : nullptr;
  if (!known && waiting_)
    known = waiting_->find_if(same);
  if (!known)
    return false;
  if (known->request.text == turn.request.text)
    attach(*known, turn);
  else
    self_->send(turn.client, self_->child(turn.ctx), atom::failed_v, turn.ticket, contradiction());
  return true;
}

void session_state::attach(queued_turn& to, waiting_turn& turn) {
  auto& asker = to.askers.emplace_back(std::move(turn.client), turn.ticket, turn.request.stream,
                                       turn.request.resume_from);
  if (&to != turn_.get() || turn_->journalling)
    return; // what can be taken up is known when it runs
  auto from = std::max<int64_t>(0, asker.resume_from);
  auto within = static_cast<uint64_t>(from) <= turn_->reply.text.size();
  announce(asker, within);
  if (asker.stream)
    catch_up(asker, within ? static_cast<uint64_t>(from) : 0);
}

void session_state::announce(turn_asker& asker, bool recovered) {
  if (std::exchange(asker.resume_from, -1) < 0)
    return;
  auto ctx = self_->child(turn_->ctx);
  ctx.deadline = 0;
  self_->send(asker.client, ctx, atom::resumed_v, asker.ticket, recovered);
}

void session_state::announce_all(bool recovered) {
  for (auto& x : turn_->askers)
    announce(x, recovered);
}

/// Sends what was streamed so far, from a byte on.
void session_state::catch_up(const turn_asker& asker, uint64_t from) {
  auto& text = turn_->reply.text;
  if (from >= text.size())
    return;
  auto ctx = self_->child(turn_->ctx);
  ctx.deadline = 0;
  self_->send(asker.client, ctx, atom::token_v, asker.ticket,
              stream_piece{from, text.substr(from)});
}

void session_state::ask_journal() {
  turn_opening opening{turn_->request.owner, turn_->request.conversation,
                       turn_->request.idempotency_key, text_hash(turn_->request.text)};
  turn_->journalling = true;
  self_
      ->request(shard_, caf::infinite, context_of(helper::journal), atom::journal_v,
                std::move(opening))
      .then(
          [this, n = turn_number_](turn_found& x) {
            if (is_current(n) && turn_->journalling)
              journalled(std::move(x));
          },
          [this, n = turn_number_](const caf::error&) { helper_done(n, helper::journal, true); });
}

void session_state::journalled(turn_found found) {
  using kind = turn_found::kind;
  switch (found.what) {
  case kind::done:
    return replay(std::move(found.reply));
  case kind::conflict:
    return fail(contradiction());
  case kind::removed:
    return fail({ec::not_found, "the reply to this turn was removed since", "idempotency_key"});
  case kind::interrupted:
    turn_->reply.restarted = true;
    break;
  case kind::fresh:
    break;
  }
  helper_done(turn_number_, helper::journal);
}

void session_state::replay(turn_reply reply) {
  turn_->journalling = false;
  turn_->reply = std::move(reply);
  for (auto& x : turn_->askers) {
    auto from = static_cast<uint64_t>(std::max<int64_t>(0, x.resume_from));
    auto within = from <= turn_->reply.text.size();
    announce(x, within);
    if (x.stream)
      catch_up(x, within ? from : 0);
  }
  tell(*turn_, atom::completed_v, std::move(turn_->reply));
  end_turn();
}

} // namespace sotto
