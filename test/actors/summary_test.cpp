#include "actors/summary.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

const std::vector<spoken_line> talk{
    {"ada", "My cat Tux was at the vet today. It rained.", false, 1},
    {"companion", "How is Tux? Poor cat!", true, 2},
    {"ada", "The vet says Tux must eat less. Tux hates the vet.", false, 3},
    {"companion", "Hm.", true, 4}};

} // namespace

TEST_CASE("a summary tells the sentences about what most is about, in their order, within bounds") {
  auto text = extract_summary({}, talk, 120);
  CHECK(text.size() <= 120);
  CHECK(text.find("Tux") != std::string::npos);
  CHECK(extract_summary({}, talk, 24) == "companion: How is Tux?");
  CHECK(extract_summary({}, talk, 10'000)
            .find("ada: My cat Tux was at the vet today.\nada: It rained.")
        == 0);
}

TEST_CASE("a summary goes on from the one before") {
  auto text = extract_summary("ada: My cat Tux is black.", talk, 10'000);
  CHECK(text.find("ada: My cat Tux is black.\n") == 0);
  auto prompt = summary_prompt("ada: My cat Tux is black.", talk, 500);
  REQUIRE(prompt.size() == 2);
  CHECK(prompt[0].content.find("500") != std::string::npos);
  CHECK(prompt[1].content.find("Tux is black") < prompt[1].content.find("Tux was at the vet"));
}

TEST_CASE("nothing to tell makes no summary") {
  CHECK(extract_summary({}, {}, 100).empty());
  CHECK(extract_summary({}, {{"ada", "?! ... \n\n", false, 1}}, 100).empty());
  CHECK(extract_summary({}, talk, 0).empty());
  std::string endless(100'000, 'x');
  CHECK(extract_summary({}, {{"ada", endless, false, 1}}, 100).empty());
}
