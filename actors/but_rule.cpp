#include "actors/but_rule.hpp"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>

namespace sotto {

namespace {

/// Up to here a plain search is the fastest.
constexpr size_t few = 64;

/// Finds the first place of a value in a list that changes.
class first_places {
public:
  explicit first_places(const std::vector<double>& values) : values_(values) {
    for (size_t i = 0; i < values.size(); ++i)
      note(i);
  }

  /// A value was written at `i`.
  void note(size_t i) {
    if (values_[i] != 0)
      places_[values_[i]].push(i);
  }

  size_t find(double value) {
    auto& heap = places_[value];
    while (values_[heap.top()] != value)
      heap.pop(); // changed since it was noted
    return heap.top();
  }

private:
  using heap = std::priority_queue<size_t, std::vector<size_t>, std::greater<>>;

  const std::vector<double>& values_;
  std::unordered_map<double, heap> places_;
};

template <class Find, class Changed>
void apply(size_t but, std::vector<double>& valences, Find find, Changed changed) {
  for (size_t k = 0; k < valences.size(); ++k) {
    auto value = valences[k];
    if (value == 0)
      continue; // stays what it is, wherever the first one stands
    auto i = find(value);
    if (i == but)
      continue;
    valences[i] = value * (i < but ? 0.5 : 1.5);
    changed(i);
  }
}

} // namespace

void apply_but_rule(size_t but, std::vector<double>& valences) {
  if (valences.size() <= few) {
    auto search = [&](double x) {
      auto at = std::find(valences.begin(), valences.end(), x);
      return static_cast<size_t>(at - valences.begin());
    };
    return apply(but, valences, search, [](size_t) {});
  }
  first_places places{valences};
  apply(
      but, valences, [&](double x) { return places.find(x); }, [&](size_t i) { places.note(i); });
}

} // namespace sotto
