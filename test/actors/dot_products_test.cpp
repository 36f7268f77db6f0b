#include "actors/dot_products.hpp"

#include <catch2/catch.hpp>

#include "runtime/random.hpp"

using namespace sotto;

TEST_CASE("products of rows are right for every length and at every address") {
  splitmix random{5};
  auto number = [&] { return static_cast<float>(random() % 2001) / 1000 - 1; };
  for (size_t n = 1; n <= 130; ++n) {
    constexpr size_t count = 3;
    // Rows of odd lengths lie at odd addresses.
    std::vector<float> rows(count * n), x(n), to(count);
    for (auto* all : {&rows, &x})
      for (auto& y : *all)
        y = number();
    dot_products(rows.data(), count, n, x.data(), to.data());
    for (size_t i = 0; i < count; ++i) {
      auto sum = 0.0;
      for (size_t j = 0; j < n; ++j)
        sum += double{rows[i * n + j]} * double{x[j]};
      CHECK(to[i] == Approx(sum).margin(1e-5));
    }
  }
}
