#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "messages/context.hpp"

namespace sotto {

/// What one waiting item is, for the queue.
struct queue_class {
  priority level = priority::normal;
  /// Whoever shares fairly within a level, e.g. `context::tenant`.
  uint64_t tenant = 0;
};

struct queue_limits {
  /// Most items that wait.
  size_t bound = 65'536;
  /// Services a round, by level: the most important first, nothing starves.
  std::array<uint8_t, priority_levels> weights{32, 16, 8, 4, 2};
  /// An item that has waited this long (nanoseconds) is overdue. One service in `overdue_share`
  /// goes to the oldest overdue item, whatever its level; the others keep the order of levels, so
  /// that overload does not turn the queue into one by age.
  int64_t overdue_after = 1'000'000'000;
  uint32_t overdue_share = 8;
};

/// Where work waits. Weighted between five levels, round robin between the tenants of a level
/// (Nagle, RFC 970), first in first out within a tenant; ageing; bounded. Every operation takes
/// constant time (expected, for the tenant's look-up), `take_if` linear.
///
/// When it is full, whoever has the most items in the lowest level gives way ("longest queue drop",
/// Suter et al., INFOCOM 1998), found by remembering one line that was the longest when it last was
/// seen (quasi-pushout, Lin and Shung 1997): so who floods refuses itself. Items live in one slab;
/// an empty queue holds next to nothing.
template <class T>
class priority_queue {
public:
  explicit priority_queue(queue_limits limits = {}) : limits_(limits), credit_(limits.weights) {}

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t size(priority level) const { return levels_[index(level)].count; }

  /// Where an item stands: valid until it leaves the queue.
  using place = uint32_t;

  /// Adds an item at `now` (nanoseconds). When full, the newest item of the tenant with the most
  /// items in the lowest level gives way: returns it, which may be `x` itself. Tells in `at` where
  /// `x` stands.
  std::optional<T> push(T x, queue_class what, int64_t now, place* at = nullptr) {
    std::optional<T> refused;
    if (size_ >= limits_.bound) {
      auto lowest = lowest_level();
      if (lowest < index(what.level) || !gives_way(lowest, what))
        return x;
      auto& level = levels_[lowest];
      refused = extract(level.lines[level.longest].last);
    }
    auto i = insert(std::move(x), what, now);
    if (at)
      *at = i;
    return refused;
  }

  /// Takes the next item at `now`; nothing when empty.
  std::optional<T> pop(int64_t now) {
    if (size_ == 0)
      return std::nullopt;
    if (++services_ % limits_.overdue_share == 0)
      if (auto node = oldest_overdue(now); node != none)
        return extract(node);
    return extract(next_by_weight());
  }

  /// Takes out the item at `at`, which must be one that waits.
  T take(place at) { return extract(at); }

  /// Takes out the oldest item of the most important level that `matches` holds for.
  template <class F>
  std::optional<T> take_if(F matches) {
    for (auto& level : levels_)
      for (auto i = level.oldest; i != none; i = nodes_[i].newer)
        if (matches(nodes_[i].value))
          return extract(i);
    return std::nullopt;
  }

private:
  using link = place;
  static constexpr link none = std::numeric_limits<link>::max();
  static constexpr size_t kept_nodes = 64;
  static constexpr size_t kept_tenants = 64;

  /// In two lists: its tenant's (next, prev) and its level's by arrival (newer, older).
  struct node {
    T value;
    int64_t arrived;
    link next, prev, newer, older;
    link tenant;
    uint8_t level;
  };

  /// A tenant's items in one level; active ones form a ring by `after` and `before`.
  struct tenant_line {
    uint64_t key = 0;
    link first = none, last = none;
    link after = none, before = none;
    uint32_t count = 0;
  };

  struct level_lines {
    std::vector<tenant_line> lines;
    std::unordered_map<uint64_t, link> by_key;
    link current = none; // the line served next
    link longest = none; // of those seen of late
    link oldest = none, newest = none;
    size_t count = 0;
  };

  static size_t index(priority level) { return static_cast<size_t>(level); }

  size_t lowest_level() const {
    auto i = priority_levels - 1;
    while (i > 0 && levels_[i].count == 0)
      --i;
    return i;
  }

  /// Whether the longest line of the lowest level has to make room for an item of this class.
  bool gives_way(size_t lowest, queue_class what) const {
    if (lowest > index(what.level))
      return true;
    auto& level = levels_[lowest];
    auto mine = level.by_key.find(what.tenant);
    auto count = mine == level.by_key.end() ? 0 : level.lines[mine->second].count;
    return count + 1 < level.lines[level.longest].count;
  }

  static void compare(level_lines& level, link line) {
    if (level.longest == none || level.lines[line].count > level.lines[level.longest].count)
      level.longest = line;
  }

  link insert(T x, queue_class what, int64_t now) {
    auto& level = levels_[index(what.level)];
    auto line = line_of(level, what.tenant);
    auto i = allocate();
    auto& n = nodes_[i];
    n.value = std::move(x);
    n.arrived = now;
    n.level = static_cast<uint8_t>(index(what.level));
    n.tenant = line;
    n.next = n.newer = none;
    n.older = std::exchange(level.newest, i);
    (n.older == none ? level.oldest : nodes_[n.older].newer) = i;
    auto& of = level.lines[line];
    n.prev = std::exchange(of.last, i);
    if (n.prev == none) {
      of.first = i;
      activate(level, line);
    } else {
      nodes_[n.prev].next = i;
    }
    ++of.count;
    compare(level, line);
    ++level.count;
    ++size_;
    return i;
  }

  T extract(link i) {
    auto& n = nodes_[i];
    auto& level = levels_[n.level];
    (n.older == none ? level.oldest : nodes_[n.older].newer) = n.newer;
    (n.newer == none ? level.newest : nodes_[n.newer].older) = n.older;
    auto& line = level.lines[n.tenant];
    (n.prev == none ? line.first : nodes_[n.prev].next) = n.next;
    (n.next == none ? line.last : nodes_[n.next].prev) = n.prev;
    --line.count;
    if (line.first == none)
      deactivate(level, n.tenant);
    --level.count;
    T result = std::move(n.value);
    release(i);
    return result;
  }

  link next_by_weight() {
    for (;;) {
      for (size_t i = 0; i < priority_levels; ++i) {
        auto& level = levels_[i];
        if (credit_[i] == 0 || level.count == 0)
          continue;
        --credit_[i];
        compare(level, level.current);
        auto& line = level.lines[level.current];
        level.current = line.after;
        return line.first;
      }
      credit_ = limits_.weights;
    }
  }

  link oldest_overdue(int64_t now) const {
    auto result = none;
    for (auto& level : levels_)
      if (level.oldest != none && now - nodes_[level.oldest].arrived >= limits_.overdue_after
          && (result == none || nodes_[level.oldest].arrived < nodes_[result].arrived))
        result = level.oldest;
    return result;
  }

  link line_of(level_lines& level, uint64_t key) {
    if (level.current != none && level.lines[level.current].key == key)
      return level.current;
    auto [at, isnew] = level.by_key.try_emplace(key, static_cast<link>(level.lines.size()));
    if (isnew) {
      level.lines.push_back({});
      level.lines.back().key = key;
    }
    return at->second;
  }

  /// Joins the ring just behind everybody else's turn.
  void activate(level_lines& level, link i) {
    auto& line = level.lines[i];
    if (level.current == none) {
      line.after = line.before = level.current = i;
      return;
    }
    auto& head = level.lines[level.current];
    line.after = level.current;
    line.before = head.before;
    level.lines[head.before].after = i;
    head.before = i;
  }

  void deactivate(level_lines& level, link i) {
    auto& line = level.lines[i];
    // Any other that has something: which is the longest is seen soon.
    if (level.longest == i)
      level.longest = line.after == i ? none : line.after;
    if (line.after == i) {
      level.current = none;
      if (level.lines.size() > kept_tenants) {
        level.lines.clear();
        level.by_key.clear();
      }
      return;
    }
    level.lines[line.before].after = line.after;
    level.lines[line.after].before = line.before;
    if (level.current == i)
      level.current = line.after;
  }

  link allocate() {
    if (free_ != none)
      return std::exchange(free_, nodes_[free_].next);
    assert(nodes_.size() < none);
    nodes_.emplace_back();
    return static_cast<link>(nodes_.size() - 1);
  }

  void release(link i) {
    nodes_[i].next = std::exchange(free_, i);
    if (--size_ == 0 && nodes_.size() > kept_nodes) {
      nodes_ = std::vector<node>();
      free_ = none;
    }
  }

  queue_limits limits_;
  std::array<uint8_t, priority_levels> credit_;
  std::array<level_lines, priority_levels> levels_;
  std::vector<node> nodes_;
  link free_ = none;
  size_t size_ = 0;
  uint32_t services_ = 0;
};

} // namespace sotto
