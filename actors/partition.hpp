#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "actors/session.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// Starts a partition's shard.
using shard_factory = std::function<shard_actor(caf::actor_system&)>;

/// PARTITION's state: supervises one shard and the sessions of its owners.
///
/// A session is virtual: started by its first turn, ended when idle, started again by the next. A
/// session that fails is forgotten and starts anew; a shard that fails takes the sessions that
/// hold it with it, and too many failures in a row end the partition.
class partition_state {
public:
  static inline const char* name = "partition";

  using self_pointer = actor_of<listened_partition_actor, partition_state>*;

  /// Runs when the partition ends, for whatever reason: its sessions and its shard end with it.
  ~partition_state();

  void init(self_pointer self, std::shared_ptr<const session_parts> parts,
            shard_factory make_shard);

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
    self_->request(shard(), parts_->options.store_timeout, self_->child(ctx), std::move(xs)...)
        .then(
            [this, ctx, owner, promise](Result& x) mutable {
              invalidate(ctx, owner);
              promise.deliver(std::move(x));
            },
            [promise](caf::error& err) mutable { promise.deliver(std::move(err)); });
    return promise;
  }

  const shard_actor& shard();

private:
  struct session_key {
    owner_key owner;
    std::string conversation;
    friend bool operator==(const session_key&, const session_key&) = default;
  };
  struct key_hash {
    size_t operator()(const session_key& x) const {
      return std::hash<owner_key>{}(x.owner) * 31 + std::hash<std::string>{}(x.conversation);
    }
  };
  struct held_listener {
    event_client_actor client;
    subscription what;
  };
  struct entry {
    listened_session_actor session;
    int64_t last_used = 0;
    /// Asked to end; turns that come meanwhile are held until it has answered.
    bool passivating = false;
    std::deque<waiting_turn> held;
    std::vector<held_listener> listeners;
  };

  void invalidate(const context& ctx, const owner_key& owner);
  entry& activate(const session_key& key, bool ephemeral);
  void forward(entry& to, waiting_turn turn);
  void passivate(const session_key& key, entry& x);
  void release(const session_key& key);
  void stays(const session_key& key);
  void shard_down(const caf::error& reason);
  void end_if_drained();
  void arm();

  self_pointer self_ = nullptr;
  std::shared_ptr<const session_parts> parts_;
  shard_factory make_shard_;
  shard_actor shard_;
  std::unordered_map<session_key, entry, key_hash> sessions_;
  std::unordered_map<caf::actor_id, session_key> keys_;
  bool armed_ = false;
  bool draining_ = false;
  caf::typed_response_promise<atom::drained> drained_;
  /// Failures of the shard within the last minute.
  std::deque<int64_t> failures_;
};

listened_partition_actor::behavior_type
partition(actor_of<listened_partition_actor, partition_state>* self,
          std::shared_ptr<const session_parts> parts, shard_factory make_shard);

} // namespace sotto
