#include "actors/reembed_pass.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

using keys = std::vector<owner_key>;
using phase = reembed_progress::phase;

std::vector<owner_vectors> page(std::vector<std::pair<const char*, uint64_t>> of) {
  std::vector<owner_vectors> result;
  for (auto& [name, missing] : of)
    result.push_back({{"acme", name}, missing});
  return result;
}

} // namespace

TEST_CASE("a pass wakes who lacks vectors until nobody does, page by page") {
  reembed_pass pass{100};
  CHECK(pass.after() == owner_key{});
  CHECK(pass.look(page({{"a", 3}, {"b", 0}, {"c", 2}}), 0) == keys{{"acme", "a"}, {"acme", "c"}});
  CHECK(pass.look(page({{"a", 0}, {"b", 0}, {"c", 1}}), 50) == keys{{"acme", "c"}});
  CHECK(pass.progress().embedded == 4);
  CHECK(pass.look(page({{"a", 0}, {"b", 0}, {"c", 0}}), 60).empty());
  CHECK(pass.after() == owner_key{"acme", "c"});
  CHECK(pass.look(page({{"d", 0}}), 70).empty());
  CHECK(pass.running());
  CHECK(pass.look({}, 80).empty());
  CHECK(pass.progress().at == phase::done);
  CHECK(pass.progress().owners == 4);
  CHECK(pass.progress().embedded == 5);
  CHECK(pass.progress().left == 0);
}

TEST_CASE("a pass leaves behind what does not get its vector for too long") {
  reembed_pass pass{100};
  CHECK(pass.look(page({{"a", 3}}), 0).size() == 1);
  CHECK(pass.look(page({{"a", 2}}), 90).size() == 1);
  CHECK(pass.look(page({{"a", 2}}), 190).size() == 1);
  CHECK(pass.look(page({{"a", 2}}), 191).empty());
  CHECK(pass.running());
  CHECK(pass.after() == owner_key{"acme", "a"});
  CHECK(pass.progress().left == 2);
  CHECK(pass.progress().embedded == 1);
}

TEST_CASE("what is told to a store meanwhile does not count as embedded") {
  reembed_pass pass{100};
  pass.look(page({{"a", 3}}), 0);
  pass.look(page({{"a", 5}}), 10);
  pass.look(page({{"a", 4}}), 20);
  CHECK(pass.progress().embedded == 1);
}

TEST_CASE("a pass stops where nothing moves any more, or the store fails") {
  reembed_pass pass{100};
  int64_t now = 0;
  for (auto* name : {"a", "b", "c"}) {
    CHECK(pass.running());
    pass.look(page({{name, 1}}), now);
    pass.look(page({{name, 1}}), now += 101);
  }
  CHECK(pass.progress().at == phase::stopped);
  CHECK(pass.progress().left == 3);
  CHECK_FALSE(pass.progress().why.empty());
  reembed_pass other{100};
  other.fail("disk");
  CHECK(other.progress().why == "disk");
  CHECK(other.look(page({{"a", 1}}), 0).empty());
}
