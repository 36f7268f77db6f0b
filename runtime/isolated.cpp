#include "runtime/isolated.hpp"

#include <algorithm>

#include "runtime/logging.hpp"

namespace sotto {

namespace {

constexpr int64_t first_pause = 10'000'000, longest_pause = 10'000'000'000;
/// After so many deaths in a row, what waits is refused instead of kept.
constexpr unsigned hopeless = 12;

} // namespace

isolated_state::~isolated_state() {
  for (auto& x : waiting_)
    x.done(failure{ec::unavailable, "the node is stopping", {}});
  if (process_)
    process_->kill();
}

void isolated_state::init(self_pointer self, isolated_settings settings) {
  self_ = self;
  settings_ = std::move(settings);
  starts_ = &prometheus::BuildCounter()
                 .Name("sotto_isolated_starts_total")
                 .Help("Child processes started")
                 .Register(self->services().metrics)
                 .Add({{"operation", settings_.operation}});
}

void isolated_state::run(isolated_job job) {
  if (waiting_.size() >= settings_.max_waiting)
    return job.done(failure{ec::overloaded, "too much waits for the child process", {}});
  if (job.frame.size() > largest_frame)
    return job.done(failure{ec::too_large, "the batch is too large for a child process", {}});
  waiting_.push_back(std::move(job));
  pump();
}

void isolated_state::pump() {
  if (busy_)
    return;
  drop_unwanted();
  if (waiting_.empty())
    return;
  if (!process_) {
    if (self_->nanos() < not_before_)
      return arm(not_before_);
    start();
  }
  if (!process_)
    return;
  busy_ = true;
  too_slow_ = false;
  since_ = self_->nanos();
  process_->send(waiting_.front().frame);
  arm(since_ + settings_.timeout.count());
}

void isolated_state::drop_unwanted() {
  auto unwanted = [&](isolated_job& x) { return x.unwanted && x.unwanted(self_->nanos()); };
  while (!waiting_.empty() && unwanted(waiting_.front()))
    end_job(failure{ec::timeout, "nobody waits for the batch any more", {}});
}

void isolated_state::start() {
  auto number = ++number_;
  starts_->Increment();
  // Weak: the process is this actor's, and its events must not keep it.
  auto me = caf::actor_cast<caf::weak_actor_ptr>(isolated_host_actor{self_});
  auto tell = [me](auto verb, uint64_t of, std::string what) {
    if (auto to = caf::actor_cast<isolated_host_actor>(me.lock()))
      caf::anon_send<caf::message_priority::high>(to, context{}, verb, of, std::move(what));
  };
  auto started =
      settings_.start({[=](std::string frame) { tell(atom::frame_v, number, std::move(frame)); },
                       [=](std::string how) { tell(atom::failed_v, number, std::move(how)); }});
  if (started)
    process_ = std::move(*started);
  else
    died(to_failure(started.error()).message);
}

void isolated_state::answered(uint64_t process, std::string frame) {
  if (process != number_ || !busy_)
    return;
  deaths_ = 0;
  end_job(std::move(frame));
  pump();
}

void isolated_state::exited(uint64_t process, const std::string& how) {
  if (process == number_ && process_)
    died(how);
}

void isolated_state::died(const std::string& how) {
  process_.reset();
  warn_seldom("isolated " + settings_.operation,
              "the process of " + settings_.operation + " ended: " + how);
  auto pause = deaths_ == 0 ? 0 : std::min(first_pause << std::min(deaths_, 20U), longest_pause);
  ++deaths_;
  not_before_ = self_->nanos() + pause;
  if (std::exchange(busy_, false))
    end_job(failure{ec::internal,
                    too_slow_ ? settings_.operation + " took too long in its process"
                              : "the process of " + settings_.operation + " ended: " + how,
                    {}});
  while (deaths_ >= hopeless && !waiting_.empty())
    end_job(failure{ec::unavailable,
                    "the process of " + settings_.operation + " cannot be kept running: " + how,
                    {}});
  pump();
}

void isolated_state::end_job(std::variant<std::string, failure> what) {
  busy_ = false;
  auto job = std::move(waiting_.front());
  waiting_.pop_front();
  job.done(std::move(what));
}

void isolated_state::arm(int64_t at) {
  // A timer cannot be called back; one that comes for nothing does no harm.
  if (armed_for_ != 0 && armed_for_ <= at)
    return;
  armed_for_ = at;
  auto left = std::max<int64_t>(at - self_->nanos(), 0);
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{left}, context{},
                                                   atom::tick_v);
}

void isolated_state::tick() {
  armed_for_ = 0;
  auto due = since_ + settings_.timeout.count();
  if (!busy_)
    return pump();
  if (self_->nanos() < due)
    return arm(due);
  too_slow_ = true;
  process_->kill();
}

isolated_host_actor::behavior_type isolated(actor_of<isolated_host_actor, isolated_state>* self,
                                            isolated_settings settings) {
  auto& state = self->state;
  state.init(self, std::move(settings));
  return {
      [&state](const context&, atom::run, isolated_job& job) { state.run(std::move(job)); },
      [&state](const context&, atom::tick) { state.tick(); },
      [&state](const context&, atom::frame, uint64_t process, std::string& frame) {
        state.answered(process, std::move(frame));
      },
      [&state](const context&, atom::failed, uint64_t process, const std::string& how) {
        state.exited(process, how);
      },
  };
}

} // namespace sotto
