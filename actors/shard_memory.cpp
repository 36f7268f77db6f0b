// How much SHARD holds, which owners it lets go of, and what it does from time to time.
#include <algorithm>

#include "actors/shard.hpp"

namespace sotto {

void shard_state::weigh(entry& x) {
  constexpr size_t entry_bytes = sizeof(entry) + 128;
  auto before = x.bytes;
  x.bytes = entry_bytes + x.owner.index.bytes() + x.owner.turns.bytes();
  for (auto& [name, y] : x.owner.summaries)
    x.bytes += 2 * name.size() + y.text.size() + sizeof(y);
  bytes_ += x.bytes - before;
  count_bytes(static_cast<int64_t>(x.bytes) - static_cast<int64_t>(before));
}

void shard_state::count_bytes(int64_t change) {
  memory_->owner_bytes.fetch_add(change, std::memory_order_relaxed);
}

void shard_state::evict() {
  auto excess = memory_->excess_bytes();
  if (bytes_ <= options_.max_bytes && excess == 0)
    return;
  std::vector<std::pair<int64_t, const owner_key*>> cold;
  for (auto& [key, x] : owners_)
    if (!x->loading && x->owner.writes_under_way == 0 && !x->owner.embedding)
      cold.emplace_back(x->last_used, &key);
  std::sort(cold.begin(), cold.end());
  // Down to nine tenths, so that not every write sorts the owners again. The one used last stays.
  auto goal = std::min(options_.max_bytes, bytes_) / 10 * 9;
  if (excess > 0)
    goal = std::min(goal, static_cast<size_t>(static_cast<double>(bytes_) * (1 - excess)));
  for (size_t i = 0; i + 1 < cold.size() && bytes_ > goal; ++i) {
    auto at = owners_.find(*cold[i].second);
    bytes_ -= at->second->bytes;
    count_bytes(-static_cast<int64_t>(at->second->bytes));
    ++memory_->owners_evicted;
    owners_.erase(at);
  }
}

void shard_state::let_go(const owner_key& key) {
  auto at = owners_.find(key);
  auto& x = at->second->owner;
  if (!x.doubtful || x.writes_under_way > 0 || x.embedding)
    return;
  bytes_ -= at->second->bytes;
  count_bytes(-static_cast<int64_t>(at->second->bytes));
  owners_.erase(at);
}

void shard_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  self_->delayed_send<caf::message_priority::high>(self_, std::chrono::seconds{1}, context{},
                                                   atom::tick_v);
}

void shard_state::tick() {
  armed_ = false;
  auto now = self_->nanos();
  auto waits = loading_ > 0;
  if (waits)
    expire_loads(now);
  evict();
  for (auto& [ticket, x] : pending_) {
    waits = true;
    // The write may still succeed, and is taken into the index then.
    if (x.give_up && now - x.since > options_.write_timeout.count())
      std::exchange(x.give_up, nullptr)(
          {ec::timeout, "the store did not answer in time; the outcome is not known", {}});
  }
  // Where memory has no limit nobody has to look after it.
  if (waits || (owners_.size() > 1 && memory_->max_bytes != memory_account::no_limit))
    arm();
}

} // namespace sotto
