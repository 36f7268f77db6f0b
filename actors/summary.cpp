#include "actors/summary.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "actors/text_terms.hpp"

namespace sotto {

namespace {

struct sentence {
  std::string text;
  std::vector<uint64_t> terms;
  bool taken = false;
};

/// Calls `take` with every sentence: up to `.`, `!`, `?` before a space, or the end of a line.
template <class F>
void each_sentence(std::string_view text, F take) {
  size_t from = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    auto end = i == text.size() || text[i] == '\n';
    auto stop = !end && (text[i] == '.' || text[i] == '!' || text[i] == '?')
                && (i + 1 == text.size() || text[i + 1] == ' ');
    if (!end && !stop)
      continue;
    auto one = text.substr(from, i + (stop ? 1 : 0) - from);
    while (!one.empty() && one.front() == ' ')
      one.remove_prefix(1);
    if (!one.empty())
      take(one);
    from = i + 1;
  }
}

std::vector<sentence> sentences_of(const std::string& before,
                                   const std::vector<spoken_line>& lines) {
  std::vector<sentence> result;
  // A summary's sentences say already who said them.
  each_sentence(before, [&](auto x) { result.push_back({std::string{x}, terms_of(x)}); });
  for (auto& line : lines)
    each_sentence(line.text, [&](auto x) {
      result.push_back({fmt::format("{}: {}", line.speaker, x), terms_of(x)});
    });
  return result;
}

std::unordered_map<uint64_t, double> shares_of(const std::vector<sentence>& all) {
  std::unordered_map<uint64_t, double> result;
  double count = 0;
  for (auto& x : all)
    for (auto term : x.terms) {
      ++result[term];
      ++count;
    }
  for (auto& [term, share] : result)
    share /= count;
  return result;
}

double weight_of(const sentence& x, const std::unordered_map<uint64_t, double>& shares) {
  double sum = 0;
  for (auto term : x.terms)
    sum += shares.at(term);
  return x.terms.empty() ? 0 : sum / static_cast<double>(x.terms.size());
}

} // namespace

std::vector<chat_message> summary_prompt(const std::string& before,
                                         const std::vector<spoken_line>& lines, size_t most) {
  std::string text;
  if (!before.empty())
    text = "Told so far:\n" + before + "\n\n";
  text += "Said since:\n";
  for (auto& x : lines)
    text += fmt::format("{}: {}\n", x.speaker, x.text);
  return {{"system",
           fmt::format("Tell this conversation in short, in at most {} characters of plain text: "
                       "who said what about themselves, what was agreed, what is still open. Keep "
                       "names, numbers and dates. Add nothing that was not said.",
                       most)},
          {"user", std::move(text)}};
}

std::string extract_summary(const std::string& before, const std::vector<spoken_line>& lines,
                            size_t most) {
  auto all = sentences_of(before, lines);
  auto shares = shares_of(all);
  for (size_t left = most;;) {
    sentence* best = nullptr;
    double weight = 0;
    for (auto& x : all)
      if (auto w = weight_of(x, shares); !x.taken && x.text.size() < left && w > weight) {
        best = &x;
        weight = w;
      }
    if (!best)
      break;
    best->taken = true;
    left -= best->text.size() + 1;
    for (auto term : best->terms)
      shares[term] *= shares[term];
  }
  std::string result;
  for (auto& x : all)
    if (x.taken)
      result += (result.empty() ? "" : "\n") + x.text;
  return result;
}

} // namespace sotto
