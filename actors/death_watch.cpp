#include "actors/death_watch.hpp"

#include <algorithm>

#include <prometheus/registry.h>
#include <spdlog/spdlog.h>

namespace sotto {

namespace {

constexpr int64_t first_pause = 1'000'000'000, longest_pause = 60 * first_pause;
constexpr uint32_t most_doublings = 6;

} // namespace

death_watch_state::~death_watch_state() {
  if (child_)
    child_->kill(); // the node ends in order: nothing is left to be given up
}

void death_watch_state::init(self_pointer self, death_watch_parts parts) {
  self_ = self;
  parts_ = std::move(parts);
  watched_ = &prometheus::BuildGauge()
                  .Name("sotto_cluster_watched")
                  .Help("A child process waits for the death of this one, to tell the others")
                  .Register(self->services().metrics)
                  .Add({});
  start();
}

void death_watch_state::start() {
  child_events events;
  events.on_frame = [](const std::string&) {};
  events.on_exit = [to = caf::actor_cast<caf::weak_actor_ptr>(self_)](std::string how) {
    if (auto x = caf::actor_cast<death_watch_actor>(to.lock()))
      caf::anon_send<caf::message_priority::high>(x, context{}, atom::ended_v, std::move(how));
  };
  auto child = parts_.start(std::move(events));
  if (!child)
    return later(to_failure(child.error()).message);
  child_ = std::move(*child);
  started_ = self_->nanos();
  child_->send(parts_.order);
  watched_->Set(1);
}

void death_watch_state::ended(const std::string& how) {
  child_.reset();
  watched_->Set(0);
  if (self_->nanos() - started_ >= longest_pause)
    failures_ = 0;
  later(how);
}

void death_watch_state::later(const std::string& why) {
  auto pause = std::min(first_pause << std::min(failures_++, most_doublings), longest_pause);
  spdlog::warn("the watcher of this process ended ({}); another one is started in {} s", why,
               pause / first_pause);
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{pause}, context{},
                                                   atom::tick_v);
}

death_watch_actor::behavior_type death_watch(actor_of<death_watch_actor, death_watch_state>* self,
                                             death_watch_parts parts) {
  auto& state = self->state;
  state.init(self, std::move(parts));
  return {
      [&state](const context&, atom::ended, const std::string& how) { state.ended(how); },
      [&state](const context&, atom::tick) { state.start(); },
  };
}

} // namespace sotto
