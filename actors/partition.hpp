#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "actors/kept_contexts.hpp"
#include "actors/session.hpp"
#include "actors/session_values.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// Starts a partition's shard.
using shard_factory = std::function<shard_actor(caf::actor_system&)>;

/// PARTITION's state: supervises one shard and the sessions of its owners.
///
/// A session is virtual: started by its first turn, ended when idle or, the least valuable first,
/// when the node holds too much (`session_values`, `memory_account`); started again by the next
/// turn, with the end of its conversation where that is kept. A session that fails is forgotten and
/// starts anew; a shard that fails takes the sessions that hold it with it, and too many failures
/// in a row end the partition. One that moves to another node ends what runs and hands what is new
/// to its successor.
class partition_state {
public:
  static inline const char* name = "partition";

  using self_pointer = actor_of<listened_partition_actor, partition_state>*;

  /// Runs when the partition ends, for whatever reason: its sessions and its shard end with it.
  ~partition_state();

  void init(self_pointer self, std::shared_ptr<const session_parts> parts, shard_factory make_shard,
            listened_partition_actor successor);

  /// Whoever gets what comes from now on; nobody unless the partition moves away.
  const listened_partition_actor* successor() const {
    return draining_ && successor_ ? &successor_ : nullptr;
  }

  void say(waiting_turn turn);
  void cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
              const owner_key& owner, const std::string& conversation, bool lost);
  void listen(const context& ctx, const event_client_actor& client, const owner_key& owner,
              const std::string& conversation, const subscription& x);
  caf::result<atom::drained> drain(const context& ctx);
  void tick();
  void down(const caf::down_msg& x);

  /// Has the shard remove memories of `owner`, and then the owner's sessions drop what they hold of
  /// them: in this order, or a session could load them again in between.
  template <class Result, class... Ts>
  caf::typed_response_promise<Result> erase(const context& ctx, const owner_key& owner, Ts... xs) {
    auto promise = self_->template make_response_promise<Result>();
    self_->request(memories(), parts_->options.store_timeout, self_->child(ctx), std::move(xs)...)
        .then(
            [this, ctx, owner, promise](Result& x) mutable {
              invalidate(ctx, owner);
              promise.deliver(std::move(x));
            },
            [this, ctx, owner, promise](caf::error& err) mutable {
              invalidate(ctx, owner); // it may have been done all the same
              promise.deliver(std::move(err));
            });
    return promise;
  }

  /// The same for what a user said in groups.
  caf::result<spoken_receipt> erase_spoken(const context& ctx, const spoken_by& what);

  /// Somebody else than its sessions writes to an owner: what they hold may lack it, and is not
  /// kept when they leave.
  void written(const owner_key& owner);

  const shard_actor& shard();

  /// Who has the owners' memories: the shard, or who comes after.
  memory_actor memories() {
    return successor() ? memory_actor{*successor()} : memory_actor{shard()};
  }

private:
  /// Keys lie in the sessions' places.
  struct key_hash {
    size_t operator()(const session_key* x) const {
      return std::hash<owner_key>{}(x->owner) * 31 + std::hash<std::string>{}(x->conversation);
    }
  };
  struct key_equal {
    bool operator()(const session_key* x, const session_key* y) const { return *x == *y; }
  };
  struct held_listener {
    event_client_actor client;
    subscription what;
  };
  /// What comes while a session is asked to end; it waits until that has answered.
  struct waiting_room {
    std::vector<waiting_turn> turns;
    std::vector<held_listener> listeners;
  };
  struct entry {
    listened_session_actor session;
    std::shared_ptr<session_place> place;
    int64_t started = 0;
    int64_t last_used = 0;
    session_worth worth;
    /// Set while it is asked to end.
    std::unique_ptr<waiting_room> passivating;
    /// What it leaves is not to be kept.
    bool outdated = false;
  };
  using session_map = std::unordered_map<const session_key*, entry, key_hash, key_equal>;

  void invalidate(const context& ctx, const owner_key& owner);
  /// Of all owners that `which` holds for; what is kept of them is the caller's to drop.
  template <class F>
  void invalidate_sessions(const context& ctx, F which);
  /// Nothing where there is no room for another.
  entry* activate(session_key key, bool ephemeral);
  void forward(entry& to, waiting_turn turn);
  bool make_room();
  session_map::value_type* least_valuable();
  const session_worth* worth_of(caf::actor_id id) const;
  void passivate(session_map::value_type& x, leaving why);
  bool lacks_writes(const owner_key& owner, const entry& x) const;
  void keep_context(entry& x);
  void relieve();
  void ended(caf::actor_id id);
  void release(const session_key& key);
  void shard_down(const caf::error& reason);
  void end_if_drained();
  void arm();

  self_pointer self_ = nullptr;
  std::shared_ptr<const session_parts> parts_;
  shard_factory make_shard_;
  shard_actor shard_;
  listened_partition_actor successor_;
  session_map sessions_;
  std::unordered_map<caf::actor_id, session_map::value_type*> by_id_;
  session_values values_;
  kept_contexts kept_;
  /// When owners were last written to (nanoseconds); of all others, at latest then.
  std::unordered_map<owner_key, int64_t> written_;
  int64_t written_before_ = 0;
  /// Sessions asked to end, those that are to be because they are idle, and how many more because
  /// the node holds too much.
  std::unordered_set<caf::actor_id> leaving_;
  std::vector<caf::actor_id> idle_;
  size_t excess_ = 0;
  int64_t looked_ = 0;
  bool armed_ = false;
  bool draining_ = false;
  caf::typed_response_promise<atom::drained> drained_;
  /// Failures of the shard within the last minute.
  std::deque<int64_t> failures_;
};

listened_partition_actor::behavior_type
partition(actor_of<listened_partition_actor, partition_state>* self,
          std::shared_ptr<const session_parts> parts, shard_factory make_shard,
          listened_partition_actor successor);

} // namespace sotto
