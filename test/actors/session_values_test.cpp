#include "actors/session_values.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace sotto;

namespace {

struct values_world {
  void enter(uint64_t id, size_t bytes = 4096) { values.enter(id, known[id], bytes); }
  void use(uint64_t id, size_t bytes = 4096) { values.used(known.at(id), bytes); }
  uint64_t least() {
    auto id = values.least([this](uint64_t x) { return find(x); });
    known.erase(id);
    return id;
  }
  const session_worth* find(uint64_t id) const {
    auto at = known.find(id);
    return at == known.end() ? nullptr : &at->second;
  }

  session_values values;
  std::map<uint64_t, session_worth> known;
};

} // namespace

TEST_CASE_METHOD(values_world, "a session that was used more often or holds less stays longer") {
  enter(1);
  enter(2, 40'960);
  enter(3);
  use(3);
  CHECK(least() == 2);
  CHECK(least() == 1);
  CHECK(least() == 3);
  CHECK(least() == 0);
}

TEST_CASE_METHOD(values_world, "what is never used again falls behind what comes later") {
  enter(1);
  for (int i = 0; i < 10; ++i)
    use(1);
  uint64_t passed = 0;
  for (uint64_t id = 100; id < 1000; ++id) {
    enter(id);
    if (least() == 1)
      break;
    ++passed;
  }
  CHECK(passed >= 5);
  CHECK(passed < 800);
}

TEST_CASE_METHOD(values_world, "what is gone leaves no trace") {
  for (uint64_t id = 1; id <= 10'000; ++id) {
    enter(id);
    known.erase(id);
    values.tidy(known.size(), [this](uint64_t x) { return find(x); });
  }
  CHECK(values.size() < 100);
  CHECK(least() == 0);
}
