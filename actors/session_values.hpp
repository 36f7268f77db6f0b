#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sotto {

/// What a session is worth while it is in memory.
struct session_worth {
  double value = 0;
  /// Turns, as far as they count.
  uint32_t uses = 0;
};

/// Which session is worth the least: GreedyDual-Size-Frequency (Cherkasova, HP Labs 1998). Each use
/// raises a session's value to floor + uses / bytes, and the floor is the value of what was let go
/// last: what was used lately, often, or holds little stays, and what is never used again falls
/// behind. Coming back costs about the same for all, so it is left out. A flood of conversations
/// with one turn each passes through without pushing out those that people return to. Knows no
/// actor or clock.
class session_values {
public:
  void enter(uint64_t id, session_worth& x, size_t bytes) {
    used(x, bytes);
    push(id, x.value);
  }

  void used(session_worth& x, size_t bytes) const {
    x.uses = std::min(x.uses + 1, most_uses);
    x.value = floor_ + x.uses * typical / std::max(static_cast<double>(bytes), smallest);
  }

  /// Takes out the one that is worth the least; it must `enter` again if it stays. `find` gives the
  /// worth of an id, or nothing where it is gone. 0: there is none. `uses` does not reorder the
  /// heap: values only rise, so one that has risen is put back when it comes to the top.
  template <class F>
  uint64_t least(F find) {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
      auto [value, id] = heap_.back();
      heap_.pop_back();
      const session_worth* now = find(id);
      if (!now)
        continue;
      if (now->value > value) {
        push(id, now->value);
        continue;
      }
      floor_ = std::max(floor_, value);
      return id;
    }
    return 0;
  }

  /// Drops what is gone, where that is most of all.
  template <class F>
  void tidy(size_t live, F find) {
    if (heap_.size() < 64 || heap_.size() < 2 * live)
      return;
    std::erase_if(heap_, [&](auto& x) { return !find(x.second); });
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }

  size_t size() const { return heap_.size(); }

private:
  static constexpr uint32_t most_uses = 32;
  /// Bytes of a session of ordinary size, which is worth 1 a use.
  static constexpr double typical = 4096;
  /// An actor takes as much whatever it holds; one that was only just started has not told yet.
  static constexpr double smallest = 2048;

  void push(uint64_t id, double value) {
    heap_.emplace_back(value, id);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }

  std::vector<std::pair<double, uint64_t>> heap_;
  double floor_ = 0;
};

} // namespace sotto
