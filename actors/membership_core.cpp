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
         && a.native == b.native && a.roles == b.roles && a.capacity == b.capacity
         && a.version == b.version && a.protocol == b.protocol && a.live == b.live
         && a.draining == b.draining;
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
  departures_ = std::move(found.departures);
  live_.clear();
  for (auto& x : members_)
    if (x.live)
      live_[x.name] = x.incarnation;
  for (auto& row : found.partitions) {
    if (row.number >= rows_.size())
      continue;
    changed_[row.number] = now - row.age;
    rows_[row.number] = std::move(row);
  }
  look_at_suspects(now);
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

void membership_core::flushed(uint32_t partition, uint64_t epoch) {
  auto it = held_.find(partition);
  if (it != held_.end() && it->second.epoch == epoch
      && it->second.is == ownership::state::releasing)
    it->second.flushed = true;
}

void membership_core::suspect(const std::string& node) {
  auto* x = member(node);
  news_ = true;
  if (x && x->live && node != setup_.self.name)
    suspects_[node] = 0;
}

void membership_core::look_at_suspects(int64_t now) {
  for (auto it = suspects_.begin(); it != suspects_.end();)
    it = cleared(it->first, it->second, now) ? suspects_.erase(it) : std::next(it);
}

/// Whether a suspicion is over. `ends`: when the lease does, as it was seen first.
bool membership_core::cleared(const std::string& name, int64_t& ends, int64_t now) const {
  auto* x = member(name);
  if (!x)
    return true;
  auto latest = now + x->lease_left;
  if (ends == 0)
    ends = latest;
  // A heartbeat from before the suspicion is no answer to it.
  if (x->live)
    return latest - ends > setup_.with.heartbeat.count() / 4;
  auto owns = std::ranges::any_of(rows_, [&](auto& row) { return row.node == name; });
  return !owns || now - ends > setup_.with.lease.count();
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
  auto it = row.node.empty() ? live_.end() : live_.find(row.node);
  return it != live_.end() && it->second == row.incarnation;
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
  for (auto& [name, ends] : suspects_)
    if (now >= ends)
      next = std::min(next, looked_ + setup_.with.heartbeat.count() / 4);
  return std::max<int64_t>(next - now, 0);
}

cluster_view membership_core::view() const {
  cluster_view result{setup_.self.name, members_, {}, setup_.now() - looked_, departures_};
  for (auto& row : rows_)
    result.partitions.push_back({row.number, row.node, owner_live(row), row.epoch, row.wanted});
  return result;
}

} // namespace sotto
