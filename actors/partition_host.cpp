#include "actors/partition_host.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sotto {

namespace {

/// How long a partition that has moved still passes on what was on its way to it.
constexpr caf::timespan linger = std::chrono::seconds{5};
constexpr caf::timespan measure_every = std::chrono::seconds{2};
constexpr caf::timespan first_pause = std::chrono::milliseconds{100};
constexpr uint32_t most_doublings = 8;

} // namespace

partition_host_state::~partition_host_state() {
  for (auto& [number, x] : entries_)
    caf::anon_send_exit(x.home, caf::exit_reason::user_shutdown);
}

void partition_host_state::init(self_pointer self, partition_host_parts parts,
                                std::vector<ownership> first) {
  self_ = self;
  parts_ = std::move(parts);
  told(first);
}

listened_partition_actor partition_host_state::route() const {
  return parts_.route ? listened_partition_actor{parts_.route} : listened_partition_actor{};
}

void partition_host_state::place(uint32_t number, route_place where) {
  if (parts_.route)
    self_->send<caf::message_priority::high>(parts_.route, context{}, atom::place_v, number,
                                             std::move(where));
}

void partition_host_state::told_by_membership(const std::vector<ownership>& changes) {
  if (auto from = self_->current_sender())
    membership_ = caf::actor_cast<membership_actor>(from);
  if (membership_ && parts_.measure && !std::exchange(measuring_, true))
    self_->delayed_send<caf::message_priority::high>(self_, measure_every, context{},
                                                     atom::measured_v);
  told(changes);
}

void partition_host_state::told(const std::vector<ownership>& changes) {
  for (auto& x : changes) {
    switch (x.is) {
    case ownership::state::owned:
      own(x.partition, x.epoch);
      break;
    case ownership::state::releasing:
      release(x.partition, x.epoch);
      break;
    case ownership::state::lost:
      lose(x.partition);
      break;
    case ownership::state::unowned:
      lose(x.partition);
      break;
    case ownership::state::elsewhere:
      lose(x.partition);
      place(x.partition, {route_place::kind::peer, {}, x.node});
      break;
    }
  }
  if (!changes.empty()) // nothing is known of any place yet
    look_at_places(changes);
}

void partition_host_state::look_at_places(const std::vector<ownership>& changes) {
  auto lost = false;
  for (auto& x : changes) {
    if (x.is == ownership::state::unowned || x.is == ownership::state::lost)
      homeless_.insert(x.partition);
    else
      homeless_.erase(x.partition);
    lost = lost || x.is == ownership::state::lost;
  }
  // A node that others took over from stays ready: there is a way to what it gets.
  auto settled = !lost && (settled_ || homeless_.empty());
  if (settled != std::exchange(settled_, settled) && parts_.settled)
    parts_.settled(settled);
}

void partition_host_state::members(const std::vector<cluster_member>& all) {
  if (parts_.members_changed)
    parts_.members_changed(all);
}

uint32_t partition_host_state::here() const {
  return static_cast<uint32_t>(std::count_if(
      entries_.begin(), entries_.end(), [](auto& x) { return x.second.home && !x.second.moved; }));
}

void partition_host_state::own(uint32_t number, uint64_t epoch) {
  auto at = entries_.find(number);
  if (at != entries_.end() && at->second.epoch == epoch && !at->second.releasing)
    return;
  end(number); // what lingers of an earlier stay
  auto& x = entries_[number];
  x.epoch = epoch;
  start(number, x);
}

void partition_host_state::start(uint32_t number, entry& x) {
  x.round = ++rounds_;
  x.home = parts_.make(number, x.epoch, route());
  self_->monitor(x.home);
  numbers_[x.home.id()] = number;
  parts_.publish(number, x.home, true, x.epoch);
  place(number, {route_place::kind::here, x.home, {}, x.epoch});
}

void partition_host_state::release(uint32_t number, uint64_t epoch) {
  auto at = entries_.find(number);
  if (at == entries_.end() || at->second.epoch != epoch) {
    // It never lived here: nothing is to be written.
    self_->send<caf::message_priority::high>(membership_, context{}, atom::flushed_v, number,
                                             epoch);
    return;
  }
  auto& x = at->second;
  if (std::exchange(x.releasing, true))
    return;
  place(number, {route_place::kind::moving, {}, {}});
  parts_.publish(number, route(), false, 0);
  auto round = x.round;
  if (!parts_.route)
    return drain(number, round);
  // What ROUTE sent here before comes before the drain.
  self_
      ->request<caf::message_priority::high>(parts_.route, parts_.hand_off, context{},
                                             atom::settle_v, number)
      .then([this, number, round](atom::settled) { drain(number, round); },
            [this, number, round](const caf::error&) { drain(number, round); });
}

void partition_host_state::drain(uint32_t number, uint64_t round) {
  auto at = entries_.find(number);
  if (at == entries_.end() || at->second.round != round)
    return;
  if (!at->second.home)
    return flush(number, round);
  self_
      ->request<caf::message_priority::high>(at->second.home, parts_.hand_off, context{},
                                             atom::drain_v)
      .then([this, number, round](atom::drained) { flush(number, round); },
            [this, number, round](const caf::error& err) {
              spdlog::warn("partition {} moves although turns still run: {}", number,
                           to_string(err));
              flush(number, round);
            });
}

void partition_host_state::flush(uint32_t number, uint64_t round) {
  self_
      ->request<caf::message_priority::high>(parts_.writer, parts_.hand_off, context{},
                                             atom::drain_v)
      .then([this, number, round](atom::drained) { let_go(number, round); },
            [this, number, round](const caf::error&) { let_go(number, round); });
}

void partition_host_state::let_go(uint32_t number, uint64_t round) {
  auto at = entries_.find(number);
  if (at == entries_.end() || at->second.round != round)
    return;
  at->second.moved = true;
  self_->send<caf::message_priority::high>(membership_, context{}, atom::flushed_v, number,
                                           at->second.epoch);
  self_->delayed_send<caf::message_priority::high>(self_, linger, context{}, atom::tick_v, number,
                                                   round);
}

void partition_host_state::lose(uint32_t number) {
  // Nothing is acknowledged from here on: the store refuses what is not ours.
  place(number, {route_place::kind::moving, {}, {}});
  parts_.publish(number, route(), false, 0);
  auto at = entries_.find(number);
  if (at != entries_.end() && !at->second.moved)
    end(number);
}

void partition_host_state::end(uint32_t number) {
  auto node = entries_.extract(number);
  if (node.empty() || !node.mapped().home)
    return;
  numbers_.erase(node.mapped().home.id());
  self_->demonitor(node.mapped().home.address());
  self_->send_exit(node.mapped().home, caf::exit_reason::user_shutdown);
}

void partition_host_state::tick(uint32_t number, uint64_t round) {
  auto at = entries_.find(number);
  if (at == entries_.end() || at->second.round != round)
    return;
  if (at->second.moved)
    end(number);
  else if (!at->second.home && !at->second.releasing)
    start(number, at->second);
}

void partition_host_state::measure() {
  self_->send<caf::message_priority::high>(membership_, context{}, atom::measured_v,
                                           parts_.measure());
  self_->delayed_send<caf::message_priority::high>(self_, measure_every, context{},
                                                   atom::measured_v);
}

void partition_host_state::down(const caf::down_msg& x) {
  auto number = numbers_.extract(x.source.id());
  if (number.empty())
    return;
  auto at = entries_.find(number.mapped());
  if (at == entries_.end())
    return;
  auto& lost = at->second;
  lost.home = listened_partition_actor{};
  if (lost.releasing || draining_)
    return;
  auto pause = first_pause * (1 << std::min(lost.failures++, most_doublings));
  spdlog::error("partition {} ended: {}; it is started again in {} ms", at->first,
                to_string(x.reason), pause.count() / 1'000'000);
  place(at->first, {route_place::kind::moving, {}, {}});
  if (parts_.route)
    parts_.publish(at->first, route(), false, 0);
  self_->delayed_send<caf::message_priority::high>(self_, pause, context{}, atom::tick_v, at->first,
                                                   lost.round);
}

caf::result<atom::drained> partition_host_state::drain(const context& ctx) {
  draining_ = true;
  auto promise = self_->make_response_promise<atom::drained>();
  auto left = std::make_shared<size_t>(1);
  auto over = [left, promise]() mutable {
    if (--*left == 0)
      promise.deliver(atom::drained_v);
  };
  for (auto& [number, x] : entries_) {
    if (!x.home || x.moved)
      continue;
    ++*left;
    self_
        ->request<caf::message_priority::high>(x.home, caf::infinite, self_->child(ctx),
                                               atom::drain_v)
        .then([over](atom::drained) mutable { over(); },
              [over](const caf::error&) mutable { over(); });
  }
  over();
  return promise;
}

partition_host_actor::behavior_type
partition_host(actor_of<partition_host_actor, partition_host_state>* self,
               partition_host_parts parts, std::vector<ownership> first) {
  auto& state = self->state;
  state.init(self, std::move(parts), std::move(first));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [&state](const context&, atom::ownership, const std::vector<ownership>& changes) {
        state.told_by_membership(changes);
      },
      [&state](const context&, atom::members, const std::vector<cluster_member>& all) {
        state.members(all);
      },
      [&state](const context&, atom::list) { return state.here(); },
      [&state](const context& ctx, atom::drain) { return state.drain(ctx); },
      [&state](const context&, atom::measured) { state.measure(); },
      [&state](const context&, atom::tick, uint32_t number, uint64_t round) {
        state.tick(number, round);
      },
  };
}

} // namespace sotto
