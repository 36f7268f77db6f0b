#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_set>
#include <utility>

namespace sotto {

/// Cancels that found nothing to cancel, where it may come back from another actor: nobody waits
/// for it then. (What waits in the mailbox of whoever gets the cancel, `base_actor` takes out.) The
/// latest are remembered; most are about what was answered meanwhile and never come to use.
class early_cancels {
public:
  /// `client` and `ticket` name a call that was not found, and no other ever.
  void add(uint64_t client, uint64_t ticket) {
    if (!names_.insert({client, ticket}).second)
      return;
    order_.emplace_back(client, ticket);
    if (order_.size() <= most)
      return;
    names_.erase(order_.front());
    order_.pop_front();
  }

  /// Whether the call that begins now was cancelled already.
  bool take(uint64_t client, uint64_t ticket) {
    return !names_.empty() && names_.erase({client, ticket}) > 0;
  }

private:
  static constexpr size_t most = 1024;

  using name = std::pair<uint64_t, uint64_t>;
  struct name_hash {
    size_t operator()(const name& x) const { return x.first * 0x9e3779b97f4a7c15ULL ^ x.second; }
  };

  std::deque<name> order_;
  std::unordered_set<name, name_hash> names_;
};

} // namespace sotto
