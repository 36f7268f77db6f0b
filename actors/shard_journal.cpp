// What SHARD keeps of turns with a key, and of conversations in short.
#include "actors/shard.hpp"

namespace sotto {

caf::result<turn_found> shard_state::journal(const context& ctx, turn_opening opening) {
  auto owner = opening.owner;
  return visit<turn_found>(
      ctx, owner, [this, ctx, opening = std::move(opening)](loaded_owner& x, auto& promise) {
        look_up(ctx, x, opening, promise);
      });
}

/// The ticket of the write that holds a turn's record; 0: there is none.
uint64_t shard_state::under_way(const loaded_owner& owner, const std::string& conversation,
                                const std::string& key) {
  auto place = turn_journal::place_of(conversation, key);
  for (auto& [which, ticket] : owner.turns_under_way)
    if (which == place)
      return ticket;
  return 0;
}

void shard_state::look_up(const context& ctx, loaded_owner& owner, const turn_opening& opening,
                          caf::typed_response_promise<turn_found> promise) {
  // A turn whose end is on its way to the store would pass for one that was interrupted.
  if (auto ticket = under_way(owner, opening.conversation, opening.key)) {
    pending_.at(ticket).done.push_back(
        [this, ctx, opening, promise](loaded_owner& x, const failure&) {
          look_up(ctx, x, opening, promise);
        });
    return;
  }
  // Nor is a record made while a removal is under way, which may wait for all that is.
  if (owner.erasing != 0) {
    pending_.at(owner.erasing)
        .done.push_back([this, ctx, opening, promise](loaded_owner& x, const failure&) {
          look_up(ctx, x, opening, promise);
        });
    return;
  }
  auto found = owner.turns.find(opening, owner.index);
  if (found.what == turn_found::kind::fresh)
    begin_turn(ctx, owner, opening, promise);
  else
    promise.deliver(std::move(found));
}

void shard_state::begin_turn(const context& ctx, loaded_owner& owner, const turn_opening& opening,
                             caf::typed_response_promise<turn_found> promise) {
  store_write out;
  out.owner = opening.owner;
  turn_record begun{opening.conversation, opening.key, opening.text_hash, 0,
                    self_->unix_micros(), {}};
  take_turns(owner, out, {std::move(begun)}, {});
  send(
      ctx, owner, out,
      [this, turns = out.turns, promise](loaded_owner& x, const failure& why) mutable {
        if (why) {
          promise.deliver(to_error(why));
          return;
        }
        put_turns(x, std::move(turns));
        promise.deliver(turn_found{});
      },
      [promise](const failure& why) mutable { promise.deliver(to_error(why)); });
}

void shard_state::take_turns(loaded_owner& owner, store_write& to, std::vector<turn_record> turns,
                             const std::vector<uint64_t>& seqs) {
  for (auto& x : turns) {
    if (x.reply > 0 && x.reply <= seqs.size())
      x.reply = seqs[x.reply - 1];
    x.created = owner.turns.begun(x);
  }
  if (turns.empty())
    return;
  auto now = self_->unix_micros();
  auto kept = std::chrono::duration_cast<std::chrono::microseconds>(options_.keep_turns).count();
  auto oldest = clock_.look(now, self_->nanos()) ? now - kept : 0; // the bound on how many holds
  to.turns = std::move(turns);
  // The store looks through all of the owner's turns for those that go: it is asked when some did,
  // and of too many several go at once.
  auto known = owner.turns.size();
  auto most =
      known > options_.max_turns ? options_.max_turns - options_.max_turns / 8 : options_.max_turns;
  auto since = owner.turns.prune(oldest, most);
  if (owner.turns.size() < known)
    to.turns_since = since;
}

void shard_state::put_turns(loaded_owner& owner, std::vector<turn_record> turns) {
  for (auto& x : turns)
    owner.turns.put(std::move(x));
}

caf::result<bool> shard_state::summarise(const context& ctx, owner_key owner,
                                         summary_record summary, uint64_t as_of) {
  return visit<bool>(
      ctx, owner,
      [this, ctx, owner, as_of, summary = std::move(summary)](loaded_owner& x, auto& promise) {
        // It may tell of lines that were removed while it was made.
        if (as_of < x.erased || x.erasing != 0) {
          promise.deliver(false);
          return;
        }
        store_write out;
        out.owner = owner;
        out.summaries = {summary};
        send(
            ctx, x, std::move(out),
            [promise, summary, as_of](loaded_owner& y, const failure& why) mutable {
              if (why) {
                promise.deliver(to_error(why));
                return;
              }
              if (as_of >= y.erased)
                y.summaries[summary.conversation] = summary;
              promise.deliver(true);
            },
            [promise](const failure& why) mutable { promise.deliver(to_error(why)); });
      });
}

void shard_state::drop_summaries(loaded_owner& owner, uint64_t from) {
  std::erase_if(owner.summaries, [&](auto& x) { return x.second.upto >= from; });
}

} // namespace sotto
