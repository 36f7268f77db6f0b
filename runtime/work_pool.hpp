#pragma once

#include <functional>
#include <unordered_map>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include "runtime/base_actor.hpp"
#include "runtime/pool_policy.hpp"
#include "runtime/priority_queue.hpp"

namespace sotto {

struct worker_state {
  static inline const char* name = "worker";
};

/// WORKER number `number` of `pool`.
worker_actor::behavior_type worker(actor_of<worker_actor, worker_state>* self, uint64_t number,
                                   work_pool_actor pool);

struct work_pool_settings {
  /// Of the lane, for metrics.
  std::string lane = "pool";
  pool_limits limits;
  size_t max_waiting = 256;
  /// Workers have threads of their own, or share the scheduler's.
  bool detached = false;
  /// How busy the machine is; looked at a few times a second, only while there is work.
  std::function<machine_load()> load = [] { return machine_load{}; };
};

/// WORK POOL's state. Workers are started when work waits and ended when they were idle for a
/// while; one that dies is replaced when the next job needs it.
class work_pool_state {
public:
  static inline const char* name = "work_pool";

  using self_pointer = actor_of<work_pool_actor, work_pool_state>*;

  /// Refuses what waits and ends the workers.
  ~work_pool_state();

  void init(self_pointer self, work_pool_settings settings);
  void run(const context& ctx, work_job job);
  void completed(uint64_t worker);
  void down(const caf::down_msg& x);
  void tick();

private:
  struct waiting_job {
    context ctx;
    work_job what;
  };

  struct member {
    worker_actor handle;
    bool busy = false;
  };

  void start_worker();
  void end_worker();
  void resize();
  void serve();
  void show();
  void arm();

  self_pointer self_ = nullptr;
  work_pool_settings settings_;
  std::unique_ptr<pool_policy> policy_;
  machine_load load_;
  std::unique_ptr<priority_queue<waiting_job>> waiting_;
  std::unordered_map<uint64_t, member> workers_;
  std::vector<uint64_t> idle_;
  uint64_t next_worker_ = 1;
  bool armed_ = false;
  prometheus::Gauge* workers_shown_ = nullptr;
  prometheus::Gauge* waiting_shown_ = nullptr;
  prometheus::Counter* jobs_ = nullptr;
  prometheus::Counter* refused_ = nullptr;
  prometheus::Counter* unwanted_ = nullptr;
  prometheus::Counter* grown_ = nullptr;
  prometheus::Counter* shrunk_ = nullptr;
};

work_pool_actor::behavior_type work_pool(actor_of<work_pool_actor, work_pool_state>* self,
                                         work_pool_settings settings);

} // namespace sotto
