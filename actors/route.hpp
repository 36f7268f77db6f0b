#pragma once

#include <unordered_map>

#include "actors/route_holds.hpp"
#include "config/link_options.hpp"
#include "messages/link.hpp"
#include "messages/partition.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// ROUTE's state: where each partition lives, and what is held for those that move.
///
/// What is for one partition is never reordered. When a partition leaves a peer, what was sent
/// there is settled first (it was taken, or came back), and only then is released what was held. A
/// peer that does not know yet that it owns a partition returns all that it gets for it; then ROUTE
/// settles and tries again, a little later or when the table changes. A call that was taken is not
/// ROUTE's any more: it is not made again here, whatever becomes of it.
class route_state {
public:
  static inline const char* name = "route";

  using self_pointer = actor_of<route_actor, route_state>*;

  void init(self_pointer self, const link_options& with, uint32_t partitions);

  void say(const context& ctx, turn_client_actor client, uint64_t ticket, turn_request request);
  void cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
              const owner_key& owner, const std::string& conversation, bool lost);
  void listen(const context& ctx, event_client_actor client, const owner_key& owner,
              const std::string& conversation, const subscription& x);

  /// Takes on a request; the answer goes to its sender from wherever it is made.
  template <class Result, class Verb, class... Ts>
  caf::typed_response_promise<Result> ask(const context& ctx, Verb v, const owner_key& owner,
                                          Ts... xs) {
    return ask_in<Result>(new_call(ctx, owner), v, std::move(xs)...);
  }

  template <class Result, class Verb, class... Ts>
  caf::typed_response_promise<Result> ask_in(routed_call x, Verb v, Ts... xs) {
    auto promise = self_->template make_response_promise<Result>();
    caf::response_promise& whose = promise;
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
  };

  routed_call new_call(const context& ctx, const owner_key& owner);
  routed_call new_call(const context& ctx, uint32_t partition);
  void dispatch(routed_call x);
  bool open(const partition_place& at) const;
  void deliver(partition_place& at, routed_call x);
  void deliver_here(const listened_partition_actor& home, routed_call& x);
  void hold(routed_call x);
  void release(uint32_t partition);
  void settle(uint32_t partition, partition_place& at);
  link_actor link_to(const std::string& node) const;
  void arm();

  self_pointer self_ = nullptr;
  link_options with_;
  std::vector<partition_place> table_;
  std::unordered_map<std::string, link_actor> links_;
  std::unique_ptr<route_holds<routed_call>> holds_;
  uint64_t last_order_ = 0;
  size_t again_ = 0;
  bool draining_ = false;
  bool armed_ = false;
};

/// Starts with every partition moving.
route_actor::behavior_type route(actor_of<route_actor, route_state>* self, link_options with,
                                 uint32_t partitions);

} // namespace sotto
