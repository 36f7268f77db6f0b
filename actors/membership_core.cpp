#include "actors/membership_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace sotto {

namespace {

constexpr int64_t second = 1'000'000'000;
/// A dead node's partitions are looked at this long after its lease ended.
constexpr int64_t grace = 5'000'000;
/// How long `rebalance` does without pauses.
constexpr int64_t eager_time = 10 * second;

bool same(const cluster_member& a, const cluster_member& b) {
  return a.name == b.name && a.incarnation == b.incarnation && a.http == b.http && a.link == b.link
         && a.roles == b.roles && a.capacity == b.capacity && a.version == b.version
         && a.protocol == b.protocol && a.live == b.live && a.draining == b.draining;
}

} // namespace

membership_core::membership_core(membership_setup setup, listener tell)
    : setup_(std::move(setup)), tell_(std::move(tell)),
      lease_(setup_.with.lease.count(), setup_.with.margin.count()) {
  auto now = setup_.now();
  for (uint32_t i = 0; i < setup_.cluster.partitions; ++i)
    rows_.push_back({i, {}, {}, 0, {}, 0});
  changed_.assign(rows_.size(), now);
}

int64_t membership_core::step() {
  auto retry = setup_.with.heartbeat.count() / 4;
  if (left_ || !watch() || (!joined_ && !join()))
    return retry;
  auto now = setup_.now();
  auto renew = now - renewed_ >= setup_.with.heartbeat.count();
  if (renew || news_ || now >= due_) {
    if (!look(renew))
      return held_.empty() ? retry : std::min(retry, lease_.serves_until() - setup_.now());
    act();
  } else {
    release(now);
  }
  auto wait = until_next();
  due_ = setup_.now() + wait;
  return wait;
}

/// To be asked before and after every wait for the store: no wait is longer than the margin, so
/// whoever asks in time can say 'lost' before others may claim.
bool membership_core::watch() {
  auto now = setup_.now();
  if (held_.empty() || lease_.may_serve(now))
    return true;
  auto late = lease_.over(now);
  lose("the lease ran out: the database did not answer in time");
  if (late)
    fail({ec::unavailable,
          "this node was held up for longer than its lease (cluster.lease): others may have served "
          "its partitions before it could stop; start it again",
          {}});
  return !late;
}

bool membership_core::join() {
  auto sent = setup_.now();
  auto answer = setup_.store->join(setup_.cluster, setup_.self, setup_.with.lease);
  auto now = setup_.now();
  if (!answer) {
    auto why = to_failure(answer.error());
    why.code == ec::invalid ? fail(why) : note(why);
    return false;
  }
  if (answer->wait > 0) {
    if (patience_ == 0) {
      patience_ = now + answer->wait + 2 * setup_.with.heartbeat.count();
      spdlog::info("an earlier run of node {} holds its lease for {} ms more", setup_.self.name,
                   answer->wait / 1'000'000);
    } else if (now > patience_) {
      fail(
          {ec::invalid,
           fmt::format("a node named {} is in the cluster already (link {}): give this one another "
                       "cluster.name, or stop the other",
                       setup_.self.name, answer->where),
           "cluster.name"});
    }
    return false;
  }
  joined_ = true;
  news_ = true;
  renewed_ = sent;
  lease_.renewed(sent, now);
  setup_.serving->until(lease_.serves_until());
  return true;
}

bool membership_core::look(bool renew) {
  auto sent = setup_.now();
  news_ = false;
  auto found = setup_.store->look(renew, load_);
  if (!watch())
    return false;
  if (!found) {
    note(to_failure(found.error()));
    news_ = true;
    return false;
  }
  auto now = setup_.now();
  // After it was away everybody's lease may have ended: whoever is the first to be back leaves the
  // others the time to come back too.
  if (failing_ || !lease_.may_serve(now))
    takes_over_from_ = now + setup_.with.heartbeat.count() * 3 / 2;
  if (failing_)
    spdlog::info("the cluster's database answers again");
  failing_ = false;
  if (renew && found->known) {
    renewed_ = sent;
    lease_.renewed(sent, now);
    setup_.serving->until(lease_.serves_until());
  }
  auto known = found->known;
  take_in(std::move(*found), now);
  if (!known) {
    auto* other = member(setup_.self.name);
    lose("the database does not know this node any more");
    joined_ = false;
    if (other && other->live)
      fail({ec::invalid,
            fmt::format("another process has joined as {} (link {}): give one of the two another "
                        "cluster.name",
                        setup_.self.name, other->link),
            "cluster.name"});
    return false;
  }
  check_holdings();
  return true;
}

void membership_core::take_in(cluster_look found, int64_t now) {
  looked_ = now;
  members_ = std::move(found.members);
  for (auto& row : found.partitions) {
    if (row.number >= rows_.size())
      continue;
    changed_[row.number] = now - row.age;
    rows_[row.number] = std::move(row);
  }
  tell_members();
}

/// Rows that others have in spite of us: only after a lease that ended.
void membership_core::check_holdings() {
  std::vector<ownership> gone;
  for (auto it = held_.begin(); it != held_.end();) {
    auto& row = rows_[it->first];
    if (is_self(row.node, row.incarnation) && row.epoch == it->second.epoch) {
      ++it;
      continue;
    }
    setup_.writes->forbid(it->first);
    gone.push_back({it->first, ownership::state::lost, it->second.epoch, {}});
    it = held_.erase(it);
  }
  tell(std::move(gone));
}

void membership_core::act() {
  auto* self = member(setup_.self.name);
  if (self && self->live && lease_.may_serve(setup_.now())) {
    claim(plan());
    auto now = plan();
    hand_over(now);
    ask(now);
  }
  if (!left_) {
    release(setup_.now());
    tell_changes();
  }
}

placement membership_core::plan() const {
  std::vector<placement_node> nodes;
  std::map<std::string_view, std::pair<size_t, const cluster_member*>> owners;
  for (auto& x : members_) {
    if (eligible(x))
      nodes.push_back({x.name, x.capacity});
    if (x.live)
      owners[x.name] = {0, &x};
  }
  auto now = setup_.now();
  std::vector<placed_partition> places;
  for (auto& row : rows_) {
    auto live = owner_live(row);
    if (live)
      ++owners[row.node].first;
    places.push_back({row.number, live ? row.node : "", row.wanted, 0, now - changed_[row.number]});
  }
  for (auto& [name, owner] : owners) {
    auto& [count, node] = owner;
    auto rest = node->load.busy;
    for (auto& x : node->load.hottest)
      if (x.partition < places.size() && places[x.partition].owner == name) {
        places[x.partition].load = x.busy;
        rest -= x.busy;
        --count;
      }
    for (auto& x : places)
      if (count > 0 && x.owner == name && x.load == 0)
        x.load = std::max(0.0, rest / static_cast<double>(count));
  }
  auto limits = setup_.with.rebalance;
  if (now < eager_until_) {
    limits.interval = limits.settle = caf::timespan{0};
    limits.max_moves = std::max(limits.max_moves, setup_.cluster.partitions);
  }
  return place(std::move(nodes), std::move(places), limits);
}

void membership_core::claim(const placement& plan) {
  std::vector<partition_epoch> wish;
  auto patient = setup_.now() < takes_over_from_;
  for (auto& x : plan.claims)
    if (x.to == setup_.self.name && !(patient && !rows_[x.number].node.empty()))
      wish.push_back({x.number, rows_[x.number].epoch});
  // Ours by the row but not by what we hold: a claim whose answer was lost, or a lease that ended.
  // A new epoch tells what is written from now on from what may still be on its way.
  for (auto& row : rows_)
    if (is_self(row.node, row.incarnation) && !held_.contains(row.number))
      wish.push_back({row.number, row.epoch});
  if (wish.empty() || !watch())
    return;
  auto got = setup_.store->claim(wish);
  if (!got) {
    note(to_failure(got.error()));
    news_ = true;
    return;
  }
  // Not ours any more by the time of the answer: all is claimed again, under the next epochs.
  auto now = setup_.now();
  if (!watch() || !lease_.may_serve(now))
    return;
  for (auto& x : *got) {
    held_[x.number] = {x.epoch};
    auto& row = rows_[x.number];
    row = {x.number, setup_.self.name, setup_.self.incarnation, x.epoch, {}, 0};
    changed_[x.number] = now;
    setup_.writes->allow(x.number, x.epoch);
  }
  tell_changes();
}

void membership_core::hand_over(const placement& plan) {
  auto now = setup_.now();
  size_t releasing = 0;
  for (auto& [number, x] : held_) {
    if (x.is == ownership::state::releasing) {
      ++releasing;
      continue;
    }
    auto& wanted = rows_[number].wanted;
    auto* by = wanted.empty() || wanted == setup_.self.name ? nullptr : member(wanted);
    if (by && eligible(*by)) {
      begin_release(number, now);
      ++releasing;
    }
  }
  for (auto& x : plan.drains) {
    auto it = held_.find(x.number);
    if (x.from != setup_.self.name || it == held_.end()
        || it->second.is == ownership::state::releasing)
      continue;
    if (releasing++ >= setup_.with.rebalance.drain_moves)
      break;
    begin_release(x.number, now);
  }
  tell_changes();
}

void membership_core::begin_release(uint32_t partition, int64_t now) {
  auto& x = held_[partition];
  x.is = ownership::state::releasing;
  x.since = now;
}

void membership_core::ask(const placement& plan) {
  std::vector<partition_epoch> wish;
  for (auto& x : plan.moves)
    if (x.to == setup_.self.name)
      wish.push_back({x.number, rows_[x.number].epoch});
  if (wish.empty() || !watch())
    return;
  if (auto why = setup_.store->want(wish))
    return note(why);
  for (auto& x : wish)
    rows_[x.number].wanted = setup_.self.name;
}

void membership_core::release(int64_t now) {
  std::vector<partition_epoch> ready;
  std::vector<ownership> overdue;
  auto* self = member(setup_.self.name);
  for (auto& row : rows_)
    if (self && !eligible(*self) && is_self(row.node, row.incarnation)
        && !held_.contains(row.number))
      ready.push_back({row.number, row.epoch});
  for (auto& [number, x] : held_) {
    if (x.is != ownership::state::releasing)
      continue;
    if (!x.flushed && now - x.since > setup_.with.release_timeout.count()) {
      spdlog::warn("partition {} was not drained in time and is given away", number);
      overdue.push_back({number, ownership::state::lost, x.epoch, {}});
      x.flushed = true;
    }
    if (x.flushed) {
      setup_.writes->forbid(number);
      ready.push_back({number, x.epoch});
    }
  }
  tell(std::move(overdue));
  if (ready.empty() || !watch())
    return;
  if (auto why = setup_.store->release(ready)) {
    // Perhaps done: the next look shows. What is still ours then is released again.
    news_ = true;
    return note(why);
  }
  for (auto& x : ready) {
    held_.erase(x.number);
    rows_[x.number].node.clear();
    rows_[x.number].incarnation.clear();
    changed_[x.number] = now;
  }
  news_ = true;
  tell_changes();
}

void membership_core::flushed(uint32_t partition, uint64_t epoch) {
  auto it = held_.find(partition);
  if (it != held_.end() && it->second.epoch == epoch
      && it->second.is == ownership::state::releasing)
    it->second.flushed = true;
}

void membership_core::suspect(const std::string& node) {
  auto* x = member(node);
  news_ = true;
  if (x && x->live)
    hurry_until_ = setup_.now() + setup_.with.lease.count();
}

caf::expected<drain_progress> membership_core::drain(std::string node, bool on) {
  if (node.empty())
    node = setup_.self.name;
  if (left_ || !watch())
    return to_error({ec::unavailable, "this node has left the cluster", {}});
  // Who asks again for how far it is costs the database nothing.
  if (auto* x = member(node); !x || x->draining != on) {
    auto why = setup_.store->drain(node, on);
    watch();
    if (why)
      return to_error(why);
    news_ = true;
  }
  drain_progress result{node, on, 0, {}};
  bool others = false;
  for (auto& x : members_)
    others |= x.name != node && eligible(x);
  for (auto& row : rows_)
    result.left += row.node == node && owner_live(row) ? 1 : 0;
  if (on && result.left > 0 && !others)
    result.why = "no other node can take its partitions";
  return result;
}

void membership_core::rebalance() {
  eager_until_ = setup_.now() + eager_time;
  news_ = true;
}

void membership_core::leave() {
  if (left_)
    return;
  lose("");
  left_ = true;
  if (!joined_)
    return;
  joined_ = false;
  if (auto why = setup_.store->leave())
    spdlog::warn("others take this node's partitions when its lease ends: {}", why.message);
}

void membership_core::lose(const std::string& why) {
  setup_.serving->until(INT64_MIN);
  setup_.writes->forbid_all();
  lease_.drop();
  if (held_.empty())
    return;
  if (!why.empty())
    spdlog::error("{} partitions are lost: {}", held_.size(), why);
  std::vector<ownership> gone;
  for (auto& [number, x] : held_)
    gone.push_back({number, ownership::state::lost, x.epoch, {}});
  held_.clear();
  tell(std::move(gone));
}

void membership_core::fail(const failure& why) {
  left_ = true;
  setup_.give_up(why);
}

bool membership_core::is_self(const std::string& node, const std::string& incarnation) const {
  return node == setup_.self.name && incarnation == setup_.self.incarnation;
}

const cluster_member* membership_core::member(const std::string& name) const {
  auto it = std::ranges::find(members_, name, &cluster_member::name);
  return it == members_.end() ? nullptr : &*it;
}

bool membership_core::eligible(const cluster_member& x) const {
  return x.live && !x.draining && std::ranges::find(x.roles, "worker") != x.roles.end();
}

bool membership_core::owner_live(const partition_row& row) const {
  auto* x = row.node.empty() ? nullptr : member(row.node);
  return x && x->live && x->incarnation == row.incarnation;
}

bool membership_core::serves(uint32_t partition) const {
  auto it = held_.find(partition);
  return it != held_.end() && !it->second.flushed && setup_.serving->holds(setup_.now());
}

void membership_core::tell(std::vector<ownership> changes) {
  if (changes.empty())
    return;
  for (auto& x : changes)
    if (x.partition < told_.size())
      told_[x.partition] = x;
  tell_.ownership_changed(std::move(changes));
}

void membership_core::tell_changes() {
  auto first = told_.empty();
  if (first)
    told_.resize(rows_.size());
  std::vector<ownership> changes;
  for (auto& row : rows_) {
    ownership x{row.number, ownership::state::unowned, row.epoch, {}};
    auto it = held_.find(row.number);
    if (it != held_.end() && it->second.flushed)
      continue;
    if (it != held_.end())
      x.is = it->second.is;
    else if (owner_live(row) && row.node != setup_.self.name)
      x = {row.number, ownership::state::elsewhere, row.epoch, row.node};
    if (first || x != told_[row.number])
      changes.push_back(std::move(x));
  }
  tell(std::move(changes));
}

void membership_core::tell_members() {
  if (std::ranges::equal(members_, told_members_, same))
    return;
  told_members_ = members_;
  tell_.members_changed(members_);
}

void membership_core::note(const failure& why) {
  if (!std::exchange(failing_, true))
    spdlog::warn("the cluster's database: {}", why.message);
}

int64_t membership_core::until_next() const {
  auto now = setup_.now();
  auto next = renewed_ + setup_.with.heartbeat.count();
  if (!held_.empty())
    next = std::min(next, lease_.serves_until());
  for (auto& x : members_)
    if (x.live && x.name != setup_.self.name)
      next = std::min(next, looked_ + x.lease_left + grace);
  if (now < takes_over_from_)
    next = std::min(next, takes_over_from_);
  if (now < hurry_until_)
    next = std::min(next, looked_ + setup_.with.heartbeat.count() / 4);
  return std::max<int64_t>(next - now, 0);
}

cluster_view membership_core::view() const {
  cluster_view result{setup_.self.name, members_, {}, setup_.now() - looked_};
  for (auto& row : rows_)
    result.partitions.push_back({row.number, row.node, owner_live(row), row.epoch, row.wanted});
  return result;
}

} // namespace sotto
