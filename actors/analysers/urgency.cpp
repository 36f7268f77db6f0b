// An analyser of its own, in one file: see CONTRIBUTING.md, "An analyser in one file".
#include <algorithm>
#include <array>

#include "actors/analysers.hpp"
#include "actors/text_terms.hpp"

namespace sotto::analysers {

namespace {

constexpr std::array<std::string_view, 10> pressing{"urgent",    "emergency", "asap", "immediately",
                                                    "hurry",     "quickly",   "help", "now",
                                                    "important", "deadline"};

} // namespace

/// Whether a text presses (`urgent`), and whether it asks (`question`).
std::vector<std::string> urgency(const std::string& text) {
  std::vector<std::string> labels;
  auto urgent = false;
  each_word(text, [&](std::string_view word) {
    urgent = urgent || std::find(pressing.begin(), pressing.end(), word) != pressing.end();
  });
  if (urgent)
    labels.emplace_back("urgent");
  if (text.find('?') != std::string::npos)
    labels.emplace_back("question");
  return labels;
}

} // namespace sotto::analysers
