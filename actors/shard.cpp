#include "actors/shard.hpp"

#include <algorithm>

#include "messages/hex_text.hpp"

namespace sotto {

namespace {

/// A clock that is wrong is set right or back within this time.
constexpr caf::timespan longest_distrust = std::chrono::hours{1};

} // namespace

void shard_state::init(self_pointer self, shard_options options, store_writer_actor writer,
                       part_reader_actor reader, shard_embedder embedder,
                       std::shared_ptr<memory_account> memory, uint64_t epoch) {
  self_ = self;
  options_ = options;
  writer_ = std::move(writer);
  reader_ = std::move(reader);
  embedder_ = std::move(embedder);
  memory_ = std::move(memory);
  epoch_ = epoch;
  removals_ = static_cast<uint64_t>(self_->nanos());
  clock_ = clock_trust{std::min<caf::timespan>(options_.keep_turns, longest_distrust).count()};
  clock_.look(self_->unix_micros(), self_->nanos());
}

shard_state::~shard_state() {
  if (memory_)
    count_bytes(-static_cast<int64_t>(bytes_));
}

// -- reading ----------------------------------------------------------------------------------

caf::result<std::vector<recalled>> shard_state::recall(const context& ctx, memory_query query) {
  auto owner = query.owner;
  return visit<std::vector<recalled>>(
      ctx, owner, [this, query = std::move(query)](loaded_owner& x, auto& promise) mutable {
        if (query.vector.empty() && embedder_.here && !query.text.empty())
          query.vector = embedder_.here(query.text);
        promise.deliver(x.index.search(query));
      });
}

caf::result<conversation_end> shard_state::recent(const context& ctx, owner_key owner,
                                                  std::string conversation, uint32_t n) {
  return visit<conversation_end>(
      ctx, owner,
      [this, conversation = std::move(conversation), n](loaded_owner& x, auto& promise) {
        conversation_end result{x.index.recent(conversation, n), {}, removals_};
        if (auto at = x.summaries.find(conversation); at != x.summaries.end())
          result.before = at->second;
        promise.deliver(std::move(result));
      });
}

caf::result<memory_page> shard_state::list(const context& ctx, memory_page_query query) {
  auto owner = query.owner;
  return visit<memory_page>(ctx, owner, [query = std::move(query)](loaded_owner& x, auto& promise) {
    if (!query.after.empty() && !x.index.find(query.after))
      promise.deliver(to_error({ec::not_found, "there is no memory with this id", "after"}));
    else
      promise.deliver(x.index.page(query.after, query.limit));
  });
}

// -- writing ----------------------------------------------------------------------------------

caf::result<memory_receipt> shard_state::remember(const context& ctx, memory_write write) {
  auto owner = write.owner;
  return visit<memory_receipt>(
      ctx, owner, [this, ctx, write = std::move(write)](loaded_owner& x, auto& promise) mutable {
        remember_loaded(ctx, x, std::move(write), promise);
      });
}

void shard_state::remember_loaded(const context& ctx, loaded_owner& owner, memory_write write,
                                  caf::typed_response_promise<memory_receipt> promise) {
  if (owner.doubtful) {
    promise.deliver(to_error(in_doubt()));
    return;
  }
  if (owner.erasing != 0) {
    pending_.at(owner.erasing)
        .done.push_back([this, ctx, write = std::move(write), promise](loaded_owner& x,
                                                                       const failure&) mutable {
          remember_loaded(ctx, x, std::move(write), promise);
        });
    return;
  }
  if (auto why = pointless(ctx, promise)) { // it may have waited for a removal
    promise.deliver(to_error(why));
    return;
  }
  for (auto& x : write.turns) {
    if (auto ticket = under_way(owner, x.conversation, x.key)) {
      pending_.at(ticket).done.push_back(
          [this, ctx, write = std::move(write), promise](loaded_owner& y, const failure&) mutable {
            remember_loaded(ctx, y, std::move(write), promise);
          });
      return;
    }
    // Another run of it, by a session that is no more, was first.
    if (owner.turns.over(x)) {
      promise.deliver(to_error({ec::cancelled, "this turn was stored before", "idempotency_key"}));
      return;
    }
  }
  memory_receipt receipt;
  store_write out;
  out.owner = write.owner;
  write.vectors.resize(write.memories.size());
  write.authors.resize(write.memories.size());
  auto next_seq = owner.next_seq;
  uint64_t waits_for = 0;
  std::unordered_map<std::string, bool> here;
  for (size_t i = 0; i < write.memories.size(); ++i) {
    auto& x = write.memories[i];
    if (x.id.empty())
      x.id = new_id();
    receipt.ids.push_back(x.id);
    auto pending = owner.pending_ids.find(x.id);
    auto isnew = pending == owner.pending_ids.end() && !owner.index.find(x.id)
                 && here.try_emplace(x.id).second;
    receipt.created.push_back(isnew);
    receipt.seqs.push_back(isnew ? next_seq : 0);
    if (pending != owner.pending_ids.end())
      waits_for = std::max(waits_for, pending->second.ticket);
    if (!isnew)
      continue;
    x.seq = next_seq++;
    if (x.created == 0)
      x.created = self_->unix_micros();
    if (write.vectors[i].empty() && embedder_.here)
      write.vectors[i] = embedder_.here(x.text);
    out.memories.push_back(std::move(x));
    out.vectors.push_back(std::move(write.vectors[i]));
    if (is_group(out.owner))
      out.authors.push_back(std::move(write.authors[i]));
  }
  auto give_up = [promise](const failure& why) mutable { promise.deliver(to_error(why)); };
  auto answer = [promise, receipt](loaded_owner& x, const failure& why) mutable {
    // What another write brings may have failed although this one did not.
    auto all = std::all_of(receipt.ids.begin(), receipt.ids.end(),
                           [&](auto& id) { return x.index.find(id) != nullptr; });
    if (why)
      promise.deliver(to_error(why));
    else if (!all)
      promise.deliver(to_error({ec::storage_failed,
                                "a memory sent before with the same id could "
                                "not be stored; send it again",
                                "id"}));
    else
      promise.deliver(std::move(receipt));
  };
  take_turns(owner, out, std::move(write.turns), receipt.seqs);
  if (out.memories.empty()) {
    if (auto at = pending_.find(waits_for); at != pending_.end())
      at->second.done.push_back(answer);
    else
      answer(owner, {});
    return;
  }
  owner.next_seq = next_seq;
  std::vector<std::pair<std::string, uint64_t>> places;
  for (auto& x : out.memories)
    places.emplace_back(x.id, x.seq);
  auto vectors = std::move(out.vectors);
  out.vectors.clear();
  if (!embedder_.here) // else computing one again is cheaper than reading it
    out.vectors = vectors;
  auto done = [this, memories = out.memories, vectors = std::move(vectors), turns = out.turns,
               answer = std::move(answer)](loaded_owner& x, const failure& why) mutable {
    for (size_t i = 0; i < memories.size(); ++i) {
      x.pending_ids.erase(memories[i].id);
      if (!why)
        x.index.add(std::move(memories[i]), vectors[i]);
    }
    if (!why)
      put_turns(x, std::move(turns));
    answer(x, why);
  };
  auto ticket = send(ctx, owner, std::move(out), std::move(done), give_up);
  for (auto& [id, seq] : places)
    owner.pending_ids.emplace(std::move(id), loaded_owner::pending_id{ticket, seq});
}

caf::result<bool> shard_state::remove(const context& ctx, owner_key owner, std::string id) {
  return visit<bool>(ctx, owner, [this, ctx, owner, id](loaded_owner& x, auto& promise) {
    auto stored = x.index.find(id);
    auto pending = x.pending_ids.find(id);
    if (!stored && pending == x.pending_ids.end()) {
      promise.deliver(false);
      return;
    }
    store_write out;
    out.what = store_write::kind::remove;
    out.owner = owner;
    auto seq = stored ? stored->seq : pending->second.seq;
    out.seqs = {seq};
    send(
        ctx, x, std::move(out),
        [promise, id, seq](loaded_owner& y, const failure& why) mutable {
          if (why) {
            promise.deliver(to_error(why));
            return;
          }
          drop_summaries(y, seq);
          promise.deliver(y.index.remove(id));
        },
        [promise](const failure& why) mutable { promise.deliver(to_error(why)); });
  });
}

caf::result<forget_receipt> shard_state::forget(const context& ctx, owner_key owner) {
  return visit<forget_receipt>(ctx, owner, [this, ctx, owner](loaded_owner& x, auto& promise) {
    store_write out;
    out.what = store_write::kind::forget;
    out.owner = owner;
    send(
        ctx, x, std::move(out),
        [this, promise, owner](loaded_owner& y, const failure& why) mutable {
          if (why) {
            promise.deliver(to_error(why));
            return;
          }
          forget_receipt receipt{owner, y.index.size(), self_->unix_micros()};
          y.index = {};
          y.turns = {};
          y.summaries.clear();
          y.unembeddable.clear();
          promise.deliver(std::move(receipt));
        },
        [promise](const failure& why) mutable { promise.deliver(to_error(why)); });
  });
}

uint64_t shard_state::send(const context& ctx, loaded_owner& owner, store_write write, on_done done,
                           std::function<void(const failure&)> give_up) {
  auto ticket = next_ticket_++;
  pending_write x;
  x.owner = write.owner;
  write.epoch = epoch_;
  x.done.push_back(std::move(done));
  x.give_up = std::move(give_up);
  x.since = self_->nanos();
  pending_.emplace(ticket, std::move(x));
  ++owner.writes_under_way;
  for (auto& y : write.turns)
    owner.turns_under_way.emplace_back(turn_journal::place_of(y.conversation, y.key), ticket);
  auto& sent = pending_.at(ticket);
  sent.removes = write.what == store_write::kind::remove || write.what == store_write::kind::forget;
  if (sent.removes) {
    owner.erasing = ticket;
    owner.erased = ++removals_;
  } else {
    ++owner.additions_under_way;
  }
  if (sent.removes && owner.additions_under_way > 0)
    held_[sent.owner].push_back({ctx, ticket, std::move(write)});
  else
    hand_over(ctx, ticket, std::move(write));
  arm();
  return ticket;
}

void shard_state::hand_over(const context& ctx, uint64_t ticket, store_write write) {
  auto out = self_->child(ctx);
  out.deadline = 0; // once sent, it must reach the store
  self_->send(writer_, out, atom::write_v, store_client_actor{self_}, ticket, std::move(write));
}

void shard_state::release_removals(const owner_key& key) {
  if (auto waiting = held_.extract(key))
    for (auto& x : waiting.mapped())
      hand_over(x.ctx, x.ticket, std::move(x.write));
}

void shard_state::committed(uint64_t ticket, const failure& why) {
  auto node = pending_.extract(ticket);
  if (node.empty())
    return;
  // An owner with writes under way is never evicted.
  auto& x = *owners_.at(node.mapped().owner);
  --x.owner.writes_under_way;
  if (!node.mapped().removes && --x.owner.additions_under_way == 0)
    release_removals(node.mapped().owner);
  if (x.owner.erasing == ticket) {
    x.owner.erasing = 0;
    x.owner.erased = ++removals_; // until now what is being removed was read
  }
  x.owner.doubtful = x.owner.doubtful || why.code == ec::timeout;
  std::erase_if(x.owner.turns_under_way, [&](auto& y) { return y.second == ticket; });
  for (auto& done : node.mapped().done)
    done(x.owner, why);
  embed_missing(node.mapped().owner, x.owner);
  weigh(x);
  let_go(node.mapped().owner);
  evict();
}

std::string shard_state::new_id() {
  // Sorts by time, as a ULID does: 48 bits of milliseconds, 64 of the node's sequence.
  auto millis = static_cast<uint64_t>(self_->unix_micros() / 1000);
  std::string result{"m"};
  result.reserve(1 + 12 + 16);
  add_hex(result, millis, 12);
  add_hex(result, self_->services().next_id(), 16);
  return result;
}

shard_actor::behavior_type shard(actor_of<shard_actor, shard_state>* self, shard_options options,
                                 store_writer_actor writer, part_reader_actor reader,
                                 shard_embedder embedder, std::shared_ptr<memory_account> memory,
                                 uint64_t epoch) {
  auto& state = self->state;
  state.init(self, options, std::move(writer), std::move(reader), std::move(embedder),
             std::move(memory), epoch);
  return {
      [&state](const context& ctx, atom::recall, memory_query& x) {
        return state.recall(ctx, std::move(x));
      },
      [&state](const context& ctx, atom::remember, memory_write& x) {
        return state.remember(ctx, std::move(x));
      },
      [&state](const context& ctx, atom::list, memory_page_query& x) {
        return state.list(ctx, std::move(x));
      },
      [&state](const context& ctx, atom::remove, owner_key& owner, std::string& id) {
        return state.remove(ctx, std::move(owner), std::move(id));
      },
      [&state](const context& ctx, atom::forget, owner_key& owner) {
        return state.forget(ctx, std::move(owner));
      },
      [&state](const context& ctx, atom::forget, spoken_by& what) {
        return state.forget_spoken(ctx, std::move(what));
      },
      [&state](const context&, atom::committed, uint64_t ticket, const failure& why) {
        state.committed(ticket, why);
      },
      [&state](const context& ctx, atom::recent, owner_key& owner, std::string& conversation,
               uint32_t n) {
        return state.recent(ctx, std::move(owner), std::move(conversation), n);
      },
      [&state](const context& ctx, atom::journal, turn_opening& x) {
        return state.journal(ctx, std::move(x));
      },
      [&state](const context& ctx, atom::summarise, owner_key& owner, summary_record& x,
               uint64_t as_of) {
        return state.summarise(ctx, std::move(owner), std::move(x), as_of);
      },
      [&state](const context& ctx, atom::loaded, memory_write& found, const failure& why) {
        state.loaded(ctx, std::move(found), why);
      },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
