#include "actors/analysers.hpp"

#include "test/fixture.hpp"

using namespace sotto;

namespace {

using labels = std::vector<std::string>;

labels found_by(const std::string& name, const std::string& text) {
  for (auto& what : custom_analysers()) {
    if (what.name != name)
      continue;
    auto results = what.compute(std::vector<const std::string*>{&text});
    return std::get<labels>(results.at(0));
  }
  FAIL("there is no analyser " + name);
  return {};
}

} // namespace

TEST_CASE("an analyser is its file's name and a function") {
  CHECK(found_by("urgency", "Help, I need it now!") == labels{"urgent"});
  CHECK(found_by("urgency", "Is it URGENT?") == labels{"urgent", "question"});
  CHECK(found_by("urgency", "All is well").empty());
  CHECK(found_by("urgency", "").empty());
}

TEST_CASE_METHOD(test::frozen_system, "an analyser that throws fails that text alone", "[caf]") {
  auto what = analyser_of("picky", [](const std::string& text) {
    if (text == "bad")
      throw std::runtime_error("not this");
    return labels{text};
  });
  auto actor = spawn(analyser, what, std::make_shared<const work_places>());
  auto good = ask<labels>(actor, flow(), atom::analyse_v, std::string{"good"});
  auto bad = ask<labels>(actor, flow(), atom::analyse_v, std::string{"bad"});
  REQUIRE(good);
  CHECK(*good == labels{"good"});
  REQUIRE_FALSE(bad);
  CHECK(to_failure(bad.error()).message == "picky failed: not this");
}
