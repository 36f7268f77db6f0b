#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/clock_trust.hpp"
#include "actors/embed_function.hpp"
#include "actors/owner_index.hpp"
#include "actors/turn_journal.hpp"
#include "config/shard_options.hpp"
#include "messages/loading.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/memory_account.hpp"

namespace sotto {

/// Who embeds a shard's memories: the built-in embedder, here and at once; a provider, by and by;
/// or nobody.
struct shard_embedder {
  shard_embedder() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): one of the two is what callers have
  shard_embedder(embed_function x) : here(std::move(x)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  shard_embedder(embedding_actor x) : provider(std::move(x)) {}

  embed_function here;
  embedding_actor provider;
};

/// SHARD's state: the memories of a partition's owners. An owner is loaded when first asked for,
/// and evicted, least recently used first, when the shard holds more than its share or the node too
/// much (`memory_account`). One with many memories is loaded in parts: while STORE READER reads the
/// next, the shard takes one into the index, and between parts it serves its other owners.
///
/// With a provider, memories that come without an embedding, or with one of another embedder, are
/// found by their words until the provider has embedded them; that is asked for when their owner is
/// in use, a few texts at a time, behind everything else.
///
/// A change goes to STORE WRITER first and into the index when it is durable; only then is it
/// answered. The writer keeps the order in which the shard sends.
///
/// Nothing is read from the store before STORE WRITER is through with what was sent to it earlier:
/// a shard that crashed and is started again under the same epoch would miss what its predecessor
/// had handed over, and give its places away again.
class shard_state {
public:
  static inline const char* name = "shard";

  using self_pointer = actor_of<shard_actor, shard_state>*;

  ~shard_state();

  void init(self_pointer self, shard_options options, store_writer_actor writer,
            part_reader_actor reader, shard_embedder embedder,
            std::shared_ptr<memory_account> memory, uint64_t epoch);

  caf::result<std::vector<recalled>> recall(const context& ctx, memory_query query);
  caf::result<conversation_end> recent(const context& ctx, owner_key owner,
                                       std::string conversation, uint32_t n);
  caf::result<turn_found> journal(const context& ctx, turn_opening opening);
  caf::result<bool> summarise(const context& ctx, owner_key owner, summary_record summary,
                              uint64_t as_of);
  caf::result<memory_receipt> remember(const context& ctx, memory_write write);
  caf::result<memory_page> list(const context& ctx, memory_page_query query);
  caf::result<bool> remove(const context& ctx, owner_key owner, std::string id);
  caf::result<forget_receipt> forget(const context& ctx, owner_key owner);
  caf::result<spoken_receipt> forget_spoken(const context& ctx, spoken_by what);
  void committed(uint64_t ticket, const failure& why);
  /// From STORE READER: the first part of an owner.
  void loaded(const context& ctx, memory_write found, const failure& why);
  void tick();

private:
  struct loaded_owner {
    owner_index index;
    /// On its way to the store: where to, and with the ticket of which write.
    struct pending_id {
      uint64_t ticket = 0;
      uint64_t seq = 0;
    };
    std::unordered_map<std::string, pending_id> pending_ids;
    turn_journal turns;
    /// Places of turns whose records are on their way to the store, with the ticket of the write.
    std::vector<std::pair<std::string, uint64_t>> turns_under_way;
    /// By conversation.
    std::unordered_map<std::string, summary_record> summaries;
    uint64_t next_seq = 1;
    size_t writes_under_way = 0;
    /// Of these, all but removals.
    size_t additions_under_way = 0;
    /// Ticket of the last removal under way, or 0. What comes after it waits for its end, or an id
    /// that is about to go would pass for one that is there.
    uint64_t erasing = 0;
    /// `removals_` when the last removal of this owner's was sent or durable. While the owner was
    /// not loaded, it is not known which removals were theirs.
    uint64_t erased = 0;
    /// A provider was asked for embeddings of this owner's.
    bool embedding = false;
    /// It is not known what the store holds: loaded anew when nothing is under way any more, and
    /// refused until then.
    bool doubtful = false;
    /// Not before this time again (nanoseconds), and never for these.
    int64_t embed_after = 0;
    std::unordered_set<uint64_t> unembeddable;
  };

  /// What is done with an owner once it is loaded; gets nothing, and why, where that failed.
  using visitor = std::function<void(loaded_owner*, const failure&)>;

  struct entry {
    bool loading = true;
    loaded_owner owner;
    std::vector<visitor> waiting;
    /// Which try to load it this is, the place behind which a part was asked for last, and when
    /// (nanoseconds).
    uint64_t number = 0;
    uint64_t asked = 0;
    int64_t since = 0;
    int64_t last_used = 0;
    size_t bytes = 0;
  };

  using on_done = std::function<void(loaded_owner&, const failure&)>;

  struct pending_write {
    owner_key owner;
    /// Runs when the write is durable or refused; the first is the write's own, the others wait for
    /// an id that it brings.
    std::vector<on_done> done;
    /// Tells the requester after `write_timeout` that the outcome is not known yet.
    std::function<void(const failure&)> give_up;
    int64_t since = 0;
    bool removes = false;
  };

  /// A removal that is not sent yet: STORE WRITER serves by level, so it could overtake what was
  /// sent before it, which then would be there for good.
  struct held_removal {
    context ctx;
    uint64_t ticket = 0;
    store_write write;
  };

  // What a user said in groups, shard_spoken.cpp
  struct spoken_work;
  void find_spoken(std::shared_ptr<spoken_work> x);
  void remove_spoken(const std::shared_ptr<spoken_work>& x, spoken_lines lines);
  static void end_spoken(spoken_work& x, const failure& why);

  // From the store, shard_loading.cpp
  static failure in_doubt();
  /// Calls `work` once all that was sent to the store before this shard began is stored or refused;
  /// with a failure where that takes too long.
  void when_settled(const context& ctx, std::function<void(const failure&)> work);
  void load(const context& ctx, const owner_key& owner, const failure& why);
  void ask_on(const context& ctx, const owner_key& owner, entry& x, uint64_t after);
  void take_part(const context& ctx, entry& x, memory_write part);
  void end_load(const owner_key& owner, entry& x);
  void fail_load(const owner_key& owner, const failure& why);
  void expire_loads(int64_t now);

  /// Why what waited need not be done any more: it is too late, or nobody waits for the answer.
  failure pointless(const context& ctx, const caf::response_promise& promise);
  template <class T, class F>
  caf::typed_response_promise<T> visit(const context& ctx, const owner_key& owner, F work);
  void with_owner(const context& ctx, const owner_key& owner, visitor visit);
  void remember_loaded(const context& ctx, loaded_owner& owner, memory_write write,
                       caf::typed_response_promise<memory_receipt> promise);
  void look_up(const context& ctx, loaded_owner& owner, const turn_opening& opening,
               caf::typed_response_promise<turn_found> promise);
  static uint64_t under_way(const loaded_owner& owner, const std::string& conversation,
                            const std::string& key);
  void begin_turn(const context& ctx, loaded_owner& owner, const turn_opening& opening,
                  caf::typed_response_promise<turn_found> promise);
  void take_turns(loaded_owner& owner, store_write& to, std::vector<turn_record> turns,
                  const std::vector<uint64_t>& seqs);
  void put_turns(loaded_owner& owner, std::vector<turn_record> turns);
  static void drop_summaries(loaded_owner& owner, uint64_t from);
  uint64_t send(const context& ctx, loaded_owner& owner, store_write write, on_done done,
                std::function<void(const failure&)> give_up);
  void hand_over(const context& ctx, uint64_t ticket, store_write write);
  void release_removals(const owner_key& key);
  void embed_missing(const owner_key& key, loaded_owner& owner);
  void embedded(const owner_key& key, const std::vector<uint64_t>& seqs,
                std::vector<std::vector<float>> vectors);
  void not_embedded(const owner_key& key, const std::vector<uint64_t>& seqs, const failure& why);
  std::string new_id();
  void let_go(const owner_key& key);
  void weigh(entry& x);
  void count_bytes(int64_t change);
  void evict();
  void arm();

  self_pointer self_ = nullptr;
  shard_options options_;
  store_writer_actor writer_;
  part_reader_actor reader_;
  shard_embedder embedder_;
  std::shared_ptr<memory_account> memory_;
  uint64_t epoch_ = 0;
  /// STORE WRITER is through with what was sent before; what waits for that.
  bool settled_ = false;
  std::vector<std::function<void(const failure&)>> unsettled_;
  uint64_t next_load_ = 1;
  /// Owners that are being loaded.
  size_t loading_ = 0;
  /// Owners whose embeddings a provider was asked for.
  size_t embedding_ = 0;
  std::unordered_map<owner_key, std::unique_ptr<entry>> owners_;
  std::unordered_map<uint64_t, pending_write> pending_;
  /// In the order in which they were asked for; they go when nothing else of their owner's is under
  /// way. Nothing is added meanwhile (`loaded_owner::erasing`).
  std::unordered_map<owner_key, std::vector<held_removal>> held_;
  uint64_t next_ticket_ = 1;
  /// Goes up with every removal. Begins at the actor clock's time, so that what was read from a
  /// SHARD before this one is older. The wall clock would not do: it can be set back.
  uint64_t removals_ = 0;
  /// Turns are dropped for their age only while it can be told.
  clock_trust clock_{0};
  size_t bytes_ = 0;
  bool armed_ = false;
};

template <class T, class F>
caf::typed_response_promise<T> shard_state::visit(const context& ctx, const owner_key& owner,
                                                  F work) {
  auto promise = self_->make_response_promise<T>();
  with_owner(
      ctx, owner,
      [this, ctx, promise, work = std::move(work)](loaded_owner* x, const failure& why) mutable {
        if (!x)
          promise.deliver(to_error(why));
        else if (auto reason = pointless(ctx, promise))
          promise.deliver(to_error(reason));
        else
          work(*x, promise);
      });
  return promise;
}

/// `epoch`: under which its partition is served here.
shard_actor::behavior_type shard(actor_of<shard_actor, shard_state>* self, shard_options options,
                                 store_writer_actor writer, part_reader_actor reader,
                                 shard_embedder embedder, std::shared_ptr<memory_account> memory,
                                 uint64_t epoch);

} // namespace sotto
