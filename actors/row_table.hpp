#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sotto {

/// Finds rows by a hash, eight bytes a slot and no copy of what was hashed: whoever looks says
/// which of the rows with the same hash is the one.
class row_table {
public:
  void add(uint32_t hash, uint32_t row) {
    if (4 * (used_ + 1) > 3 * slots_.size())
      grow();
    put({hash, row + 1});
  }

  /// The row of this hash for which `is_it(row)` holds; `none` if there is no such row.
  template <class F>
  uint32_t find(uint32_t hash, F is_it) const {
    for (auto i = first(hash); !slots_.empty() && slots_[i].row != 0; i = next(i))
      if (slots_[i].hash == hash && slots_[i].row != removed && is_it(slots_[i].row - 1))
        return slots_[i].row - 1;
    return none;
  }

  void remove(uint32_t hash, uint32_t row) {
    for (auto i = first(hash); !slots_.empty() && slots_[i].row != 0; i = next(i))
      if (slots_[i].row == row + 1)
        slots_[i].row = removed;
  }

  size_t bytes() const { return slots_.size() * sizeof(slot); }

  static constexpr uint32_t none = 0xffffffff;

private:
  struct slot {
    uint32_t hash = 0;
    /// Counted from 1; 0: nothing was ever here.
    uint32_t row = 0;
  };

  static constexpr uint32_t removed = 0xffffffff;

  size_t first(uint32_t hash) const { return hash & (slots_.size() - 1); }
  size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }

  void put(slot x) {
    auto i = first(x.hash);
    while (slots_[i].row != 0)
      i = next(i);
    slots_[i] = x;
    ++used_;
  }

  void grow() {
    constexpr size_t least = 8;
    std::vector<slot> before(slots_.empty() ? least : 2 * slots_.size());
    before.swap(slots_);
    used_ = 0;
    for (auto& x : before)
      if (x.row != 0 && x.row != removed)
        put(x);
  }

  /// As many as a power of two.
  std::vector<slot> slots_;
  /// Also by what was removed.
  size_t used_ = 0;
};

} // namespace sotto
