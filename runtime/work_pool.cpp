#include "runtime/work_pool.hpp"

#include "runtime/logging.hpp"

namespace sotto {

namespace {

constexpr auto look_every = std::chrono::milliseconds{250};

template <class Builder>
auto* one(Builder builder, prometheus::Registry& to, const char* name, const char* help,
          const std::map<std::string, std::string>& labels) {
  return &builder.Name(name).Help(help).Register(to).Add(labels);
}

} // namespace

worker_actor::behavior_type worker(actor_of<worker_actor, worker_state>* self, uint64_t number,
                                   work_pool_actor pool) {
  return {
      [self, number, pool = std::move(pool)](const context& ctx, atom::run, const work_job& job) {
        job.run();
        self->send<caf::message_priority::high>(pool, self->child(ctx), atom::completed_v, number);
      }};
}

work_pool_state::~work_pool_state() {
  while (auto x = waiting_ ? waiting_->pop(0) : std::nullopt)
    x->what.refuse({ec::unavailable, "the pool of workers stopped before this was run", {}});
  for (auto& [number, x] : workers_)
    caf::anon_send_exit(x.handle, caf::exit_reason::user_shutdown);
}

void work_pool_state::init(self_pointer self, work_pool_settings settings) {
  self_ = self;
  settings_ = std::move(settings);
  policy_ = std::make_unique<pool_policy>(settings_.limits);
  queue_limits bounds;
  bounds.bound = settings_.max_waiting;
  waiting_ = std::make_unique<priority_queue<waiting_job>>(bounds);
  auto& to = self->services().metrics;
  std::map<std::string, std::string> lane{{"lane", settings_.lane}};
  using prometheus::BuildCounter;
  using prometheus::BuildGauge;
  workers_shown_ = one(BuildGauge(), to, "sotto_pool_workers", "Workers of a lane", lane);
  waiting_shown_ = one(BuildGauge(), to, "sotto_pool_waiting", "Jobs that wait for a worker", lane);
  jobs_ = one(BuildCounter(), to, "sotto_pool_jobs_total", "Jobs given to workers", lane);
  refused_ =
      one(BuildCounter(), to, "sotto_pool_refused_total", "Jobs there was no room for", lane);
  unwanted_ = one(BuildCounter(), to, "sotto_pool_unwanted_total",
                  "Jobs not run, as nobody waited for them any more", lane);
  grown_ = one(BuildCounter(), to, "sotto_pool_grown_total", "Workers started", lane);
  shrunk_ = one(BuildCounter(), to, "sotto_pool_shrunk_total", "Workers let go", lane);
}

void work_pool_state::run(const context& ctx, work_job job) {
  if (auto refused =
          waiting_->push({ctx, std::move(job)}, {ctx.level, ctx.tenant}, self_->nanos())) {
    refused_->Increment();
    refused->what.refuse({ec::overloaded, "too many jobs wait for a worker", {}});
  }
  serve();
  if (!waiting_->empty())
    resize();
  arm();
}

void work_pool_state::serve() {
  while (!idle_.empty()) {
    auto next = waiting_->pop(self_->nanos());
    if (!next)
      break;
    auto now = self_->nanos();
    if (next->ctx.late(now) || (next->what.unwanted && next->what.unwanted(now))) {
      next->what.refuse({ec::timeout, "the deadline passed while the job waited", {}});
      unwanted_->Increment();
      continue;
    }
    auto number = idle_.back();
    idle_.pop_back();
    auto& x = workers_.at(number);
    x.busy = true;
    jobs_->Increment();
    auto ctx = self_->child(next->ctx);
    ctx.deadline = 0; // it is not late, and whoever asked hears of it in any case
    self_->send(x.handle, ctx, atom::run_v, std::move(next->what));
  }
  show();
}

void work_pool_state::completed(uint64_t worker) {
  auto at = workers_.find(worker);
  if (at == workers_.end())
    return;
  at->second.busy = false;
  idle_.push_back(worker);
  serve();
}

void work_pool_state::down(const caf::down_msg& x) {
  for (auto at = workers_.begin(); at != workers_.end(); ++at) {
    if (at->second.handle != x.source)
      continue;
    std::erase(idle_, at->first);
    workers_.erase(at);
    warn_seldom("worker", "a worker ended: " + to_string(x.reason));
    break;
  }
  if (!waiting_->empty())
    resize();
}

void work_pool_state::resize() {
  auto busy = workers_.size() - idle_.size();
  auto wanted = policy_->wanted(workers_.size(), busy, waiting_->size(), load_, self_->nanos());
  while (workers_.size() < wanted)
    start_worker();
  while (workers_.size() > wanted && !idle_.empty())
    end_worker();
  serve();
}

void work_pool_state::start_worker() {
  auto number = next_worker_++;
  auto& system = self_->home_system();
  work_pool_actor me{self_};
  auto handle = settings_.detached ? system.spawn<caf::detached>(worker, number, me)
                                   : system.spawn(worker, number, me);
  self_->monitor(handle);
  workers_.emplace(number, member{std::move(handle), false});
  idle_.push_back(number);
  grown_->Increment();
}

void work_pool_state::end_worker() {
  auto at = workers_.find(idle_.front());
  idle_.erase(idle_.begin());
  self_->demonitor(at->second.handle.address());
  self_->send_exit(at->second.handle, caf::exit_reason::user_shutdown);
  workers_.erase(at);
  shrunk_->Increment();
}

void work_pool_state::show() {
  workers_shown_->Set(static_cast<double>(workers_.size()));
  waiting_shown_->Set(static_cast<double>(waiting_->size()));
}

void work_pool_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  self_->delayed_send<caf::message_priority::high>(self_, look_every, context{}, atom::tick_v);
}

void work_pool_state::tick() {
  armed_ = false;
  load_ = settings_.load();
  resize();
  // Asleep as soon as there is nothing to do and nobody to let go.
  if (!waiting_->empty() || workers_.size() > settings_.limits.least
      || idle_.size() < workers_.size())
    arm();
}

work_pool_actor::behavior_type work_pool(actor_of<work_pool_actor, work_pool_state>* self,
                                         work_pool_settings settings) {
  auto& state = self->state;
  state.init(self, std::move(settings));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [&state](const context& ctx, atom::run, work_job& job) { state.run(ctx, std::move(job)); },
      [&state](const context&, atom::completed, uint64_t worker) { state.completed(worker); },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
