// LINK's part in a partition's move: when all that the peer had of it is answered or back.
#include "actors/link.hpp"

namespace sotto {

namespace {

/// A turn that does not end at a partition's old owner holds up those after it for so long.
constexpr int64_t longest_settling = 2'000'000'000;

} // namespace

void link_state::settle(uint32_t partition) {
  for (auto number : numbers_of([&](auto& x) { return x.what.partition == partition && !x.sent; }))
    give_back(number);
  if (!together())
    return tell_settled(partition);
  syncing_[partition] = {self_->nanos()};
  ask_to_settle(partition);
}

void link_state::ask_to_settle(uint32_t partition) {
  link_frame x;
  x.kind = frame_kind::sync;
  x.partition = partition;
  urgent(std::move(x));
  arm();
}

void link_state::synced(uint32_t partition) {
  auto at = syncing_.find(partition);
  if (at == syncing_.end())
    return;
  at->second.synced = true;
  go_on_settling(partition);
}

/// Over when the peer has none of the partition's turns any more: one that waits in its ADMISSION
/// comes back, and must do so before a later one goes to the next owner.
void link_state::go_on_settling(uint32_t partition) {
  auto at = syncing_.find(partition);
  if (at == syncing_.end() || !at->second.synced)
    return;
  auto& x = at->second;
  if (turns_there_.contains(partition) && self_->nanos() - x.since < longest_settling)
    return;
  if (std::exchange(x.again, false)) {
    x.synced = false;
    return ask_to_settle(partition);
  }
  syncing_.erase(at);
  tell_settled(partition);
}

void link_state::tell_settled(uint32_t partition) {
  self_->send<caf::message_priority::high>(parts_->route, context{}, atom::settled_v, partition,
                                           peer_name_);
}

} // namespace sotto
