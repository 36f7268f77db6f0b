#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "actors/route_holds.hpp"
#include "actors/route_metrics.hpp"
#include "config/link_options.hpp"
#include "messages/link.hpp"
#include "messages/partition.hpp"
#include "runtime/early_cancels.hpp"
#include "runtime/lasting_actor.hpp"
#include "runtime/serving_lease.hpp"

namespace sotto {

/// What ROUTE is made of.
struct route_parts {
  link_options options;
  uint32_t partitions = 256;
  /// ADMISSION, where turns of this node's partitions wait; asked once one lives here. Empty: they
  /// go to their partition.
  std::function<turn_gate_actor()> gate;
  /// What lives here gets nothing while it does not hold. Nobody: it always does.
  std::shared_ptr<const serving_lease> lease;
};

/// A call that ROUTE has on its hands. Dropped - where something fails, or ROUTE ends - it tells
/// whoever waits for it that there will be no answer.
class kept_call : public routed_call {
public:
  explicit kept_call(routed_call x) : routed_call(std::move(x)), owed_(true) {}
  kept_call(kept_call&& x) noexcept
      : routed_call(std::move(x)), owed_(std::exchange(x.owed_, false)) {}
  kept_call& operator=(kept_call&&) = delete;
  ~kept_call();

  /// It was answered, or somebody else has it.
  void done() { owed_ = false; }

private:
  bool owed_;
};

/// ROUTE's state: where each partition lives, and what is held for those that move.
///
/// What is for one partition is never reordered. When a partition leaves a place, a peer or this
/// node, what was sent there is settled first (it was answered, begun, or came back), and only then
/// is released what was held. A peer that does not know yet that it owns a partition returns all
/// that it gets for it; then ROUTE settles and tries again, a little later or when the table
/// changes. A call that was taken is not ROUTE's any more, until it comes back: it is not made
/// again here, whatever becomes of it.
///
/// Two nodes whose tables differ do not pass a call to and fro: what a LINK brought goes back by
/// it.
///
/// It is never started anew, as it is told once where partitions live.
class route_state {
public:
  static inline const char* name = "route";

  using self_pointer = lasting_actor_of<route_actor, route_state>*;

  void init(self_pointer self, route_parts parts);

  void say(const context& ctx, turn_client_actor client, uint64_t ticket, turn_request request);
  void cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
              const owner_key& owner, const std::string& conversation, bool lost);
  void listen(const context& ctx, event_client_actor client, const owner_key& owner,
              const std::string& conversation, const subscription& x);

  /// Takes on a request; the answer goes to its sender from wherever it is made.
  template <class Result, class Verb, class... Ts>
  caf::typed_response_promise<Result> ask(const context& ctx, Verb v, const owner_key& owner,
                                          Ts... xs) {
    return ask_in<Result>(kept_call{new_call(ctx, owner)}, v, std::move(xs)...);
  }

  template <class Result, class Verb, class... Ts>
  caf::typed_response_promise<Result> ask_in(kept_call x, Verb v, Ts... xs) {
    auto promise = self_->template make_response_promise<Result>();
    caf::response_promise& whose = promise;
    if (is_link(whose.source())) {
      metrics_->sent_back();
      promise.deliver(to_error(partition_moved()));
      x.done();
      return promise;
    }
    x.asker = whose.source();
    x.request = whose.id();
    x.what = caf::make_message(x.ctx, v, std::move(xs)...);
    dispatch(std::move(x));
    return promise;
  }

  caf::typed_response_promise<spoken_receipt> forget_spoken(const context& ctx, spoken_by what);

  void placed(uint32_t partition, route_place place);
  void linked(const std::string& node, link_actor link);
  void returned(routed_call x);
  void settled(uint32_t partition, const std::string& node);
  /// Of whoever lets a partition go.
  caf::result<atom::settled> settle_here(uint32_t partition);
  void drain();
  void tick();

private:
  struct partition_place {
    route_place place;
    /// Something was sent to the peer since it was settled.
    bool used = false;
    /// The peer that is asked to settle; empty: none.
    std::string settling;
    /// A peer returned something: settle and try again then; 0: none did.
    int64_t again = 0;
    /// ADMISSION is asked to give back what waits.
    bool emptying = false;
    /// Where it lived last on this node: what still runs there may be cancelled.
    listened_partition_actor before;
  };

  routed_call new_call(const context& ctx, const owner_key& owner);
  routed_call new_call(const context& ctx, uint32_t partition);
  void dispatch(kept_call x);
  bool was_cancelled(kept_call& x);
  bool open(uint32_t partition) const;
  void deliver(partition_place& at, kept_call x);
  void deliver_here(const listened_partition_actor& home, kept_call& x);
  void refuse(kept_call& x, const failure& why);
  void empty_gate(uint32_t partition);
  void emptied(uint32_t partition);
  bool is_link(const caf::strong_actor_ptr& x) const;
  bool from_gate() const;
  void hold(kept_call x);
  void release(uint32_t partition);
  void settle(uint32_t partition, partition_place& at, std::string node);
  link_actor link_to(const std::string& node) const;
  void arm();
  void mend();

  self_pointer self_ = nullptr;
  route_parts parts_;
  std::unique_ptr<route_metrics> metrics_;
  std::vector<partition_place> table_;
  std::unordered_map<std::string, link_actor> links_;
  std::unordered_set<caf::actor_id> link_ids_;
  turn_gate_actor gate_;
  /// Who waits until ADMISSION has given back what is of a partition.
  std::unordered_map<uint32_t, std::vector<caf::typed_response_promise<atom::settled>>> waiting_;
  std::unique_ptr<route_holds<kept_call>> holds_;
  /// Cancels of turns that were not here: one may be on its way back.
  early_cancels given_up_, lost_;
  /// What ADMISSION gives back came before all else that there is of its partition.
  uint64_t last_early_ = 0, last_order_ = UINT64_MAX / 2;
  size_t again_ = 0;
  bool draining_ = false;
  bool armed_ = false;
  /// Something failed: what is held may be free to go.
  bool mended_ = false;
};

/// Starts with every partition moving.
route_actor::behavior_type route(lasting_actor_of<route_actor, route_state>* self,
                                 route_parts parts);

} // namespace sotto
