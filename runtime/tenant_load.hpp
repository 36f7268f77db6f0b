#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "messages/context.hpp"

namespace sotto {

/// How many turns of each tenant wait, by level. One thread (ADMISSION's) counts, any may ask.
///
/// Who asks looks into a table of fixed size with open addressing, whose entries only the counting
/// thread takes. An entry is kept when its tenant has nothing left; where the table is three
/// quarters full it is filled anew with those who wait, unless they are too many. A tenant without
/// an entry counts as having nothing that waits: ADMISSION itself, which has the exact figures, is
/// asked next.
class tenant_load {
public:
  /// Turns of a tenant that wait at a level or one above it, in all threads' eyes.
  uint32_t ahead(uint64_t tenant, priority level) const {
    auto* at = find(tenant);
    return at ? at->ahead[index(level)].load(std::memory_order_relaxed) : 0;
  }

  /// Tenants of whom something waits.
  uint32_t active() const { return active_.load(std::memory_order_relaxed); }

  // Of the counting thread:

  void entered(uint64_t tenant, priority level) {
    auto& mine = counts_[tenant];
    ++mine.all;
    for (auto i = index(level); i < priority_levels; ++i)
      ++mine.ahead[i];
    publish(tenant, mine);
  }

  void left(uint64_t tenant, priority level) {
    auto at = counts_.find(tenant);
    if (at == counts_.end())
      return;
    --at->second.all;
    for (auto i = index(level); i < priority_levels; ++i)
      --at->second.ahead[i];
    publish(tenant, at->second);
    if (at->second.all == 0)
      counts_.erase(at);
    active_.store(static_cast<uint32_t>(counts_.size()), std::memory_order_relaxed);
  }

  void clear() {
    for (auto& [tenant, x] : counts_)
      if (auto* at = find(tenant))
        put(*at, {});
    counts_.clear();
    active_.store(0, std::memory_order_relaxed);
  }

  /// The same as `ahead`, exactly.
  uint32_t counted(uint64_t tenant, priority level) const {
    auto at = counts_.find(tenant);
    return at == counts_.end() ? 0 : at->second.ahead[index(level)];
  }

private:
  static constexpr size_t places = 1024;

  struct count {
    uint32_t all = 0;
    std::array<uint32_t, priority_levels> ahead{};
  };

  struct place {
    /// 0: free.
    std::atomic<uint64_t> tenant{0};
    std::array<std::atomic<uint32_t>, priority_levels> ahead{};
  };

  static size_t index(priority level) { return static_cast<size_t>(level); }

  place* find(uint64_t tenant) const {
    for (size_t i = 0, at = tenant % places; i < places; ++i, at = (at + 1) % places) {
      auto there = table_[at].tenant.load(std::memory_order_acquire);
      if (there == tenant)
        return &table_[at];
      if (there == 0)
        return nullptr;
    }
    return nullptr;
  }

  void publish(uint64_t tenant, const count& x) {
    active_.store(static_cast<uint32_t>(counts_.size()), std::memory_order_relaxed);
    auto* at = find(tenant);
    if (!at && used_ >= places / 4 * 3 && counts_.size() < places / 2)
      tidy(); // there is enough to be won
    if (!at)
      at = take(tenant);
    if (at)
      put(*at, x);
  }

  static void put(place& to, const count& x) {
    for (size_t i = 0; i < priority_levels; ++i)
      to.ahead[i].store(x.ahead[i], std::memory_order_relaxed);
  }

  place* take(uint64_t tenant) {
    if (used_ >= places / 4 * 3)
      return nullptr;
    auto at = tenant % places;
    while (table_[at].tenant.load(std::memory_order_relaxed) != 0)
      at = (at + 1) % places;
    put(table_[at], {});
    table_[at].tenant.store(tenant, std::memory_order_release);
    ++used_;
    return &table_[at];
  }

  void tidy() {
    for (size_t i = 0; i < places; ++i)
      table_[i].tenant.store(0, std::memory_order_release);
    used_ = 0;
    for (auto& [tenant, x] : counts_)
      if (auto* at = take(tenant))
        put(*at, x);
  }

  std::unique_ptr<place[]> table_ = std::make_unique<place[]>(places);
  size_t used_ = 0;
  std::unordered_map<uint64_t, count> counts_;
  std::atomic<uint32_t> active_{0};
};

} // namespace sotto
