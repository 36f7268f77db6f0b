#include "actors/membership.hpp"

#include <algorithm>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

namespace sotto {

namespace {

/// News that come within this time are looked at together.
constexpr int64_t gather_news = 5'000'000;
constexpr int64_t gather_flushed = 1'000'000;

template <class Builder>
auto& metric(Builder builder, prometheus::Registry& in, const char* name, const char* help) {
  return builder.Name(name).Help(help).Register(in).Add({});
}

} // namespace

membership_state::~membership_state() {
  if (store_)
    store_->on_change({});
}

void membership_state::init(self_pointer self, membership_setup setup,
                            cluster_client_actor listener) {
  self_ = self;
  store_ = setup.store;
  owned_.resize(setup.cluster.partitions);
  auto& metrics = self->services().metrics;
  partitions_ = &metric(prometheus::BuildGauge(), metrics, "sotto_cluster_partitions",
                        "Partitions that this node owns");
  live_ = &metric(prometheus::BuildGauge(), metrics, "sotto_cluster_nodes", "Nodes that are live");
  lost_ = &metric(prometheus::BuildCounter(), metrics, "sotto_cluster_lost_total",
                  "Partitions taken from this node without a hand-over");
  membership_core::listener tell;
  tell.ownership_changed = [this, listener](std::vector<ownership> changes) {
    count(changes);
    self_->send<caf::message_priority::high>(listener, context{}, atom::ownership_v,
                                             std::move(changes));
  };
  tell.members_changed = [this, listener](const std::vector<cluster_member>& members) {
    live_->Set(static_cast<double>(std::ranges::count(members, true, &cluster_member::live)));
    self_->send<caf::message_priority::high>(listener, context{}, atom::members_v, members);
  };
  core_ = std::make_unique<membership_core>(std::move(setup), std::move(tell));
  store_->on_change([to = caf::actor_cast<membership_actor>(self_), told = told_] {
    if (!told->exchange(true))
      caf::anon_send<caf::message_priority::high>(to, context{}, atom::changed_v);
  });
  arm(0);
}

void membership_state::step() {
  stepped_ = self_->nanos();
  arm(core_->step());
}

void membership_state::tick() {
  // A later timer counts; this one was overtaken.
  if (self_->nanos() < armed_)
    return;
  armed_ = 0;
  step();
}

void membership_state::changed() {
  told_->store(false);
  core_->changed();
  auto since = self_->nanos() - stepped_;
  since >= gather_news ? step() : arm(gather_news - since);
}

void membership_state::flushed(uint32_t partition, uint64_t epoch) {
  core_->flushed(partition, epoch);
  arm(gather_flushed);
}

void membership_state::suspect(const std::string& node) {
  core_->suspect(node);
  arm(0);
}

caf::result<drain_progress> membership_state::drain(const std::string& node, bool on) {
  auto result = core_->drain(node, on);
  arm(0);
  if (!result)
    return result.error();
  return std::move(*result);
}

cluster_view membership_state::rebalance() {
  core_->rebalance();
  arm(0);
  return core_->view();
}

void membership_state::arm(int64_t wait) {
  auto now = self_->nanos();
  auto at = now + std::max<int64_t>(wait, 0);
  // One that is due already is on its way.
  if (armed_ != 0 && armed_ <= at)
    return;
  armed_ = at;
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{at - now}, context{},
                                                   atom::tick_v);
}

void membership_state::count(const std::vector<ownership>& changes) {
  for (auto& x : changes) {
    if (x.is == ownership::state::lost)
      lost_->Increment();
    owned_[x.partition] = x.is == ownership::state::owned || x.is == ownership::state::releasing;
  }
  partitions_->Set(static_cast<double>(std::ranges::count(owned_, true)));
}

membership_actor::behavior_type membership(actor_of<membership_actor, membership_state>* self,
                                           membership_setup setup, cluster_client_actor listener) {
  auto& state = self->state;
  state.init(self, std::move(setup), std::move(listener));
  return {
      [&state](const context&, atom::flushed, uint32_t partition, uint64_t epoch) {
        state.flushed(partition, epoch);
      },
      [&state](const context&, atom::suspect, const std::string& node) { state.suspect(node); },
      [&state](const context&, atom::measured, const cluster_load& load) {
        state.core().measured(load);
      },
      [&state](const context&, atom::drain, const std::string& node) {
        return state.drain(node, true);
      },
      [&state](const context&, atom::resumed, const std::string& node) {
        return state.drain(node, false);
      },
      [&state](const context&, atom::rebalance) { return state.rebalance(); },
      [&state](const context&, atom::list) { return state.core().view(); },
      [&state](const context&, atom::leave) {
        state.core().leave();
        return atom::drained_v;
      },
      [&state](const context&, atom::changed) { state.changed(); },
      [&state](const context&, atom::tick) { state.tick(); },
  };
}

} // namespace sotto
