#include "actors/summary.hpp"

#include <map>
#include <optional>
#include <set>

#include <catch2/catch.hpp>

#include "actors/text_terms.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

const std::vector<spoken_line> talk{
    {"ada", "My cat Tux was at the vet today. It rained.", false, 1},
    {"companion", "How is Tux? Poor cat!", true, 2},
    {"ada", "The vet says Tux must eat less. Tux hates the vet.", false, 3},
    {"companion", "Hm.", true, 4}};

/// By SumBasic as it is written down (Nenkova and Vanderwende, 2005): every sentence is weighed for
/// every pick. A line is one sentence here.
std::string picked_one_by_one(const std::vector<spoken_line>& lines, size_t most) {
  std::map<uint64_t, double> shares;
  double count = 0;
  for (auto& x : lines)
    for (auto term : terms_of(x.text)) {
      ++shares[term];
      ++count;
    }
  for (auto& [term, share] : shares)
    share /= count;
  std::vector<std::string> said;
  for (auto& x : lines)
    said.push_back(x.speaker + ": " + x.text);
  std::set<size_t> taken;
  for (auto left = most;;) {
    std::optional<size_t> best;
    double weight = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
      auto terms = terms_of(lines[i].text);
      double sum = 0;
      for (auto term : terms)
        sum += shares[term];
      auto mean = terms.empty() ? 0 : sum / static_cast<double>(terms.size());
      if (!taken.contains(i) && said[i].size() < left && mean > weight) {
        best = i;
        weight = mean;
      }
    }
    if (!best)
      break;
    taken.insert(*best);
    left -= said[*best].size() + 1;
    for (auto term : terms_of(lines[*best].text))
      shares[term] *= shares[term];
  }
  std::string result;
  for (auto i : taken)
    result += (result.empty() ? "" : "\n") + said[i];
  return result;
}

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

TEST_CASE("a summary has what picking the heaviest sentence again and again gives") {
  splitmix random{3};
  for (int round = 0; round < 50; ++round) {
    std::vector<spoken_line> lines;
    for (uint64_t i = 1; i <= 20; ++i) {
      std::string text;
      for (auto n = random() % 6 + 1; n > 0; --n)
        text += "zz" + std::to_string(random() % 12) + (n == 1 ? "." : " ");
      lines.push_back({"ada", text, false, i});
    }
    auto most = size_t{random() % 400};
    CHECK(extract_summary({}, lines, most) == picked_one_by_one(lines, most));
  }
}

TEST_CASE("nothing to tell makes no summary") {
  CHECK(extract_summary({}, {}, 100).empty());
  CHECK(extract_summary({}, {{"ada", "?! ... \n\n", false, 1}}, 100).empty());
  CHECK(extract_summary({}, talk, 0).empty());
  std::string endless(100'000, 'x');
  CHECK(extract_summary({}, {{"ada", endless, false, 1}}, 100).empty());
}
