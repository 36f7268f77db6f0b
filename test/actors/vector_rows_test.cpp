#include "actors/vector_rows.hpp"

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include "runtime/random.hpp"

using namespace sotto;

namespace {

std::vector<float> random_vector(splitmix& random, size_t n) {
  std::vector<float> x(n);
  for (auto& y : x)
    y = static_cast<float>(random() % 2001) / 1000 - 1;
  return x;
}

float largest(const std::vector<float>& x) {
  float result = 0;
  for (auto y : x)
    result = std::max(result, std::abs(y));
  return result;
}

double product(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += double{x[i]} * double{y[i]};
  return sum;
}

} // namespace

TEST_CASE("products of rows are right within what eight bits lose, for every length") {
  splitmix random{5};
  for (size_t n = 1; n <= 130; ++n) {
    constexpr size_t count = 5;
    vector_rows rows;
    rows.set_dimension(n);
    std::vector<std::vector<float>> all;
    for (size_t i = 0; i < count; ++i) {
      all.push_back(random_vector(random, n));
      rows.add();
      rows.set(i, all.back());
    }
    auto x = random_vector(random, n);
    std::vector<float> to(count);
    rows.multiply(x, to);
    for (size_t i = 0; i < count; ++i) {
      auto length = std::sqrt(product(x, x));
      auto bound = largest(all[i]) / 254 * std::sqrt(static_cast<double>(n)) * length;
      CHECK(std::abs(to[i] - product(all[i], x)) <= bound + 1e-3);
    }
  }
}

TEST_CASE("a row's product is the same wherever it stands, whatever was set, added or cleared") {
  splitmix random{6};
  for (size_t n : {1, 2, 7, 16, 33, 100, 384}) {
    vector_rows rows;
    rows.set_dimension(n);
    std::vector<std::vector<float>> all;
    auto x = random_vector(random, n);
    for (size_t count = 1; count <= 70; ++count) {
      all.push_back(random_vector(random, n));
      rows.add();
      rows.set(count - 1, all.back());
      auto again = random() % count;
      all[again] = random() % 3 == 0 ? std::vector<float>(n) : random_vector(random, n);
      if (largest(all[again]) != 0)
        rows.set(again, all[again]);
      else
        rows.clear(again);
      std::vector<float> to(count), alone(1);
      rows.multiply(x, to);
      for (size_t i = 0; i < count; ++i) {
        vector_rows one;
        one.set_dimension(n);
        one.add();
        one.set(0, all[i]);
        one.multiply(x, alone);
        REQUIRE(to[i] == alone[0]);
        REQUIRE(rows.get(i) == one.get(0));
      }
    }
  }
}

TEST_CASE("products of long rows do not overflow") {
  constexpr size_t n = 20'000;
  vector_rows rows;
  rows.set_dimension(n);
  rows.add();
  std::vector<float> ones(n, 1.0F), to(1);
  rows.set(0, ones);
  rows.multiply(ones, to);
  CHECK(to[0] == Approx(n).epsilon(0.01));
  for (auto& x : ones)
    x = -x;
  rows.multiply(ones, to);
  CHECK(to[0] == Approx(-static_cast<double>(n)).epsilon(0.01));
}

TEST_CASE("rows that were not set or were cleared are like nothing") {
  vector_rows rows;
  rows.add(); // before the length is known
  rows.clear(0);
  rows.set_dimension(3);
  rows.add();
  rows.set(1, std::vector<float>{1, 2, 3});
  rows.add();
  rows.set(2, std::vector<float>{1, std::numeric_limits<float>::infinity(), 0});
  rows.add();
  rows.set(3, std::vector<float>{-3, 1, 1});
  rows.clear(3);
  std::vector<float> to(4, 9.0F);
  rows.multiply(std::vector<float>{1, 1, 1}, to);
  CHECK(to[0] == 0);
  CHECK(to[1] == Approx(6).epsilon(0.01));
  CHECK(to[2] == 0);
  CHECK(to[3] == 0);
  rows.multiply(std::vector<float>{0, 0, 0}, to);
  CHECK(to[1] == 0);
}

TEST_CASE("a row that was read is stored again as it was") {
  splitmix random{7};
  vector_rows rows;
  rows.set_dimension(100);
  rows.add();
  rows.add();
  rows.set(0, random_vector(random, 100));
  auto once = rows.get(0);
  rows.set(1, once);
  auto twice = rows.get(1);
  for (size_t i = 0; i < once.size(); ++i)
    CHECK(twice[i] == Approx(once[i]));
}
