#include <catch2/catch.hpp>

#include <algorithm>

#include "actors/but_rule.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

/// As the reference has it, word for word.
void slow_rule(size_t but, std::vector<double>& valences) {
  for (auto& value : valences) {
    auto first = std::find(valences.begin(), valences.end(), value);
    auto i = static_cast<size_t>(first - valences.begin());
    if (i < but)
      *first = value * 0.5;
    else if (i > but)
      *first = value * 1.5;
  }
}

} // namespace

TEST_CASE("the rule of but changes what the reference changes, in lists of any length") {
  splitmix random{3};
  for (int round = 0; round < 3000; ++round) {
    std::vector<double> valences(1 + random() % 200);
    auto kinds = 1 + random() % 8;
    // Halves and one-and-a-half times of each other, so that changed values meet unchanged ones.
    constexpr double values[]{0, 2, 1, 3, -2, 1.5, 0.5, -1};
    for (auto& x : valences)
      x = values[random() % kinds];
    auto but = random() % valences.size();
    auto wanted = valences;
    slow_rule(but, wanted);
    apply_but_rule(but, valences);
    CHECK(valences == wanted);
  }
}

TEST_CASE("the rule of but halves what stands before it and raises what follows") {
  std::vector<double> valences{2, 0, 4};
  apply_but_rule(1, valences);
  CHECK(valences == std::vector<double>{1, 0, 6});
}
