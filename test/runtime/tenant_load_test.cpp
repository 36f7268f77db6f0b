#include "runtime/tenant_load.hpp"

#include <catch2/catch.hpp>

#include <map>

#include "runtime/random.hpp"

using namespace sotto;

TEST_CASE("what waits of a tenant is what entered and has not left, at its level and above") {
  splitmix random{3};
  tenant_load load;
  std::map<uint64_t, std::array<uint32_t, priority_levels>> model;
  std::vector<std::pair<uint64_t, priority>> waiting;
  for (int i = 0; i < 50'000; ++i) {
    if (waiting.empty() || random() % 100 < 51) {
      waiting.emplace_back(1 + random() % 200, static_cast<priority>(random() % priority_levels));
      load.entered(waiting.back().first, waiting.back().second);
      ++model[waiting.back().first][static_cast<size_t>(waiting.back().second)];
    } else {
      std::swap(waiting[random() % waiting.size()], waiting.back());
      load.left(waiting.back().first, waiting.back().second);
      --model[waiting.back().first][static_cast<size_t>(waiting.back().second)];
      waiting.pop_back();
    }
    auto tenant = 1 + random() % 200;
    uint32_t ahead = 0;
    for (size_t level = 0; level < priority_levels; ++level) {
      ahead += model[tenant][level];
      REQUIRE(load.ahead(tenant, static_cast<priority>(level)) == ahead);
      REQUIRE(load.counted(tenant, static_cast<priority>(level)) == ahead);
    }
  }
  size_t active = 0;
  for (auto& [tenant, counts] : model)
    active += std::any_of(counts.begin(), counts.end(), [](auto x) { return x > 0; }) ? 1 : 0;
  CHECK(load.active() == active);
}

TEST_CASE("tenants that come and go do not fill the table; those beyond it count as idle") {
  tenant_load load;
  for (uint64_t i = 1; i <= 100'000; ++i) {
    load.entered(i, priority::normal);
    REQUIRE(load.ahead(i, priority::normal) == 1);
    load.left(i, priority::normal);
    REQUIRE(load.ahead(i, priority::normal) == 0);
  }
  for (uint64_t i = 1; i <= 5000; ++i)
    load.entered(i, priority::low);
  size_t seen = 0;
  for (uint64_t i = 1; i <= 5000; ++i) {
    seen += load.ahead(i, priority::low);
    CHECK(load.counted(i, priority::low) == 1);
    CHECK(load.ahead(i, priority::high) == 0);
  }
  CHECK(seen >= 500);
  CHECK(load.active() == 5000);
  for (uint64_t i = 1; i <= 5000; ++i)
    load.left(i, priority::low);
  CHECK(load.active() == 0);
  load.entered(7777, priority::low);
  CHECK(load.ahead(7777, priority::low) == 1);
}
