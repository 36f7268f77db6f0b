#pragma once

#include <optional>
#include <unordered_map>

#include "runtime/base_actor.hpp"
#include "runtime/operation.hpp"

namespace sotto {

/// Runs the batches of a batcher where they belong: in the batcher itself, with a provider, or in
/// the lane that the operation's measured time asks for. `Self` is the batcher's pointer type,
/// `Handle` its interface.
template <class Self, class Handle, class In, class Out>
class batch_runner {
public:
  using op = operation<In, Out>;
  using result = typename op::result;
  using run = typename op::run;

  /// A batch that was run.
  struct finished {
    size_t items = 0;
    std::variant<std::vector<result>, failure> outcome;
    int64_t took = 0;
    work_lane lane = work_lane::here;
    /// `batch_run::dropped`
    bool dropped = false;
  };

  void init(Self self, std::shared_ptr<const op> what, std::shared_ptr<const work_places> places) {
    self_ = self;
    what_ = std::move(what);
    places_ = std::move(places);
    profile_ = work_profile{places_->pinned(what_->name)};
  }

  /// Whether the next batch is run in the batcher itself.
  bool here() const { return !what_->start && lane() == work_lane::here; }

  /// Batches that run elsewhere, and whether there is room for one more.
  size_t running() const { return running_.size(); }
  bool full() const { return running_.size() >= what_->max_running; }

  const work_profile& profile() const { return profile_; }

  finished run_here(std::span<const In* const> items) {
    std::optional<work_timer> timer;
    if (last_took_ > heavy || ++batches_ % measured_share == 0)
      timer.emplace();
    auto start = self_->nanos();
    auto outcome = guarded(*what_, items);
    last_took_ = self_->nanos() - start;
    if (timer)
      profile_.observe(timer->stop());
    return {items.size(), std::move(outcome), last_took_, work_lane::here, false};
  }

  /// Runs a batch elsewhere; the batcher hears `completed` with its number. `ctx` is the batch's
  /// own.
  void start(uint64_t number, context ctx, const std::vector<const In*>& items,
             std::vector<uint64_t> tenants, std::vector<batch_audience::member> audience) {
    auto lane = this->lane();
    auto job = std::make_shared<batch_run<In, Out>>();
    job->ctx = std::move(ctx);
    job->lane = what_->start ? work_lane::here : lane;
    job->ctx.deadline = 0; // whoever asked has a deadline, what they share has none
    for (auto& x : audience)
      job->audience.join(std::move(x));
    for (auto* x : items)
      job->items.push_back(*x);
    job->tenants = std::move(tenants);
    Handle me{self_};
    job->done = [me, number, ctx = job->ctx] {
      caf::anon_send<caf::message_priority::high>(me, ctx, atom::completed_v, number);
    };
    running_.emplace(number, under_way{job, self_->nanos()});
    if (what_->start)
      what_->start(std::move(job));
    else if (lane == work_lane::isolated)
      isolate(job);
    else
      hand_over(job, lane == work_lane::pool ? places_->pool : places_->detached);
  }

  /// Somebody joined a batch that may run elsewhere.
  void join(uint64_t number, batch_audience::member who) {
    if (auto at = running_.find(number); at != running_.end())
      at->second.what->audience.join(std::move(who));
  }

  /// Nothing where no such batch was started.
  std::optional<finished> completed(uint64_t number) {
    auto node = running_.extract(number);
    if (node.empty())
      return {};
    auto& [job, since] = node.mapped();
    if (job->took.wall > 0)
      profile_.observe(job->took);
    return finished{job->items.size(), std::move(job->outcome), self_->nanos() - since, job->lane,
                    job->dropped};
  }

private:
  /// One in so many light batches is measured.
  static constexpr uint64_t measured_share = 16;
  static constexpr int64_t heavy = 100'000;

  struct under_way {
    run what;
    int64_t since = 0;
  };

  /// The lane of the next batch, of those there are.
  work_lane lane() const {
    auto wanted = profile_.lane();
    auto there = wanted == work_lane::pool       ? bool(places_->pool)
                 : wanted == work_lane::detached ? bool(places_->detached)
                 : wanted == work_lane::isolated ? places_->isolate && what_->encode
                                                 : true;
    return there ? wanted : work_lane::here;
  }

  static void refuse_job(batch_run<In, Out>& job, failure why) {
    job.dropped = why.code == ec::timeout;
    job.refuse(std::move(why));
  }

  void hand_over(const run& job, const work_pool_actor& to) {
    work_job work;
    work.run = [job, what = what_] {
      std::vector<const In*> items;
      for (auto& x : job->items)
        items.push_back(&x);
      work_timer timer;
      job->outcome = guarded(*what, std::span<const In* const>{items});
      job->took = timer.stop();
      job->done();
    };
    work.refuse = [job](const failure& why) { refuse_job(*job, why); };
    work.unwanted = [job](int64_t now) { return job->unwanted(now); };
    self_->send(to, job->ctx, atom::run_v, std::move(work));
  }

  void isolate(const run& job) {
    isolated_job work;
    work.frame = what_->encode(job->items);
    work.done = [job, what = what_](std::variant<std::string, failure> x) {
      if (auto* bytes = std::get_if<std::string>(&x))
        job->outcome = what->decode(*bytes);
      else
        return refuse_job(*job, std::get<failure>(std::move(x)));
      job->done();
    };
    work.unwanted = [job](int64_t now) { return job->unwanted(now); };
    self_->send(places_->isolate(what_->name), job->ctx, atom::run_v, std::move(work));
  }

  Self self_ = nullptr;
  std::shared_ptr<const op> what_;
  std::shared_ptr<const work_places> places_;
  work_profile profile_;
  std::unordered_map<uint64_t, under_way> running_;
  uint64_t batches_ = 0;
  int64_t last_took_ = 0;
};

} // namespace sotto
