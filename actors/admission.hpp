#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/admission_metrics.hpp"
#include "actors/admission_queue.hpp"
#include "actors/overload_policy.hpp"
#include "actors/turn_level.hpp"
#include "config/admission_options.hpp"
#include "config/session_options.hpp"
#include "messages/admission.hpp"
#include "runtime/lasting_actor.hpp"
#include "runtime/process_figures.hpp"
#include "runtime/waiting_client.hpp"

namespace sotto {

/// What ADMISSION is made of.
struct admission_parts {
  admission_options options;
  session_options session;
  /// Threads that run actors.
  uint32_t workers = 1;
  /// The partition of an owner.
  std::function<partition_actor(const owner_key&)> home;
  std::shared_ptr<node_load> load = std::make_shared<node_load>();
  std::shared_ptr<admission_metrics> metrics;
  /// The process's figures, and what it may use at most.
  std::function<process_figures()> figures = read_process_figures;
  uint32_t cores = usable_cores();
  uint64_t memory = usable_memory();
};

/// ADMISSION's state: lets turns run by `admission_queue`, and watches the load by
/// `overload_policy`. Whoever waits past its deadline is answered by a timer; what is refused is
/// told when trying again may help.
///
/// It is never started anew, as it alone knows which turns run: after a failure it counts from what
/// waits and what runs (`admission_queue::rebuild`).
class admission_state {
public:
  static inline const char* name = "admission";

  using self_pointer = lasting_actor_of<admission_actor, admission_state>*;

  void init(self_pointer self, admission_parts parts);

  void say(const context& ctx, turn_client_actor client, uint64_t ticket, turn_request request);
  void cancel(const context& ctx, const turn_client_actor& client, uint64_t ticket,
              const owner_key& owner, const std::string& conversation, bool lost);
  void yield(uint64_t number);
  void ended(uint64_t number);
  void give_back(uint32_t partition, uint32_t of);
  caf::result<atom::drained> drain();
  void tick();

  /// Tells the clients of all turns that wait that there will be no reply.
  void give_up(const failure& why);

private:
  struct turn : waiting_client<turn_client_actor> {
    turn(const context& ctx, turn_client_actor client, uint64_t ticket, turn_request x)
        : waiting_client(ctx, std::move(client), ticket), request(std::move(x)) {}
    turn_request request;
  };
  using way = admission_metrics::way;

  priority level_of(const turn_request& request, uint64_t tenant, uint64_t conversation,
                    int64_t now);
  void serve(int64_t now);
  void start(admission_queue<turn>::started x);
  void refuse(turn x, failure why, way how);
  failure overloaded() const;
  void publish();
  void expire(int64_t now);
  void look(int64_t now);
  void look_at_shares(int64_t now);
  void look_at_tenants();
  void tell_step(overload_step before, double cpu, uint64_t memory) const;
  void end_if_drained();
  bool active(int64_t now) const;
  void arm(int64_t now);
  void mend();

  self_pointer self_ = nullptr;
  admission_parts parts_;
  std::unique_ptr<admission_queue<turn>> queue_;
  std::unique_ptr<overload_policy> policy_;
  recent_conversations recent_;
  bool draining_ = false;
  caf::typed_response_promise<atom::drained> drained_;

  // Since the latest look at the load.
  int64_t looked_ = 0;
  size_t fewest_ = 0;
  size_t served_ = 0;
  size_t refused_ = 0;
  uint64_t refused_early_ = 0;
  int64_t cpu_ = 0;

  // Since the latest look at shares, a second or so.
  int64_t shares_looked_ = 0;
  std::array<size_t, priority_levels> served_by_level_{};
  std::unordered_map<uint64_t, size_t> served_by_tenant_;

  int64_t last_turn_ = 0;
  /// When the next timer fires; 0: none is set.
  int64_t armed_ = 0;
};

admission_actor::behavior_type admission(lasting_actor_of<admission_actor, admission_state>* self,
                                         admission_parts parts);

} // namespace sotto
