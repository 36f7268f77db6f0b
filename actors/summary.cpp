#include "actors/summary.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "actors/text_terms.hpp"

namespace sotto {

namespace {

/// Views of what it was found in; `speaker` is empty where the text says already who said it.
struct sentence {
  std::string_view speaker, text;
  /// Numbers of its terms.
  std::vector<uint32_t> terms;
  bool taken = false;

  size_t size() const { return text.size() + (speaker.empty() ? 0 : speaker.size() + 2); }
};

/// Sentences and how often each of their terms is said. Terms are numbered, so that weighing a
/// sentence, which is done many times, looks nothing up.
struct told_sentences {
  std::vector<sentence> all;
  std::unordered_map<uint64_t, uint32_t> numbers;
  std::vector<double> shares;

  void add(std::string_view speaker, std::string_view text) {
    auto& x = all.emplace_back();
    x.speaker = speaker;
    x.text = text;
    for (auto term : terms_of(text)) {
      auto number = numbers.try_emplace(term, static_cast<uint32_t>(shares.size())).first->second;
      if (number == shares.size())
        shares.push_back(0);
      ++shares[number];
      x.terms.push_back(number);
    }
  }

  double weight_of(const sentence& x) const {
    double sum = 0;
    for (auto term : x.terms)
      sum += shares[term];
    return x.terms.empty() ? 0 : sum / static_cast<double>(x.terms.size());
  }
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

told_sentences sentences_of(const std::string& before, const std::vector<spoken_line>& lines) {
  told_sentences result;
  // A summary's sentences say already who said them.
  each_sentence(before, [&](auto x) { result.add({}, x); });
  for (auto& line : lines)
    each_sentence(line.text, [&](auto x) { result.add(line.speaker, x); });
  double count = 0;
  for (auto& x : result.shares)
    count += x;
  for (auto& x : result.shares)
    x /= count;
  return result;
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
  auto told = sentences_of(before, lines);
  for (size_t left = most;;) {
    sentence* best = nullptr;
    double weight = 0;
    for (auto& x : told.all) {
      if (x.taken || x.size() >= left)
        continue;
      if (auto w = told.weight_of(x); w > weight) {
        best = &x;
        weight = w;
      }
    }
    if (!best)
      break;
    best->taken = true;
    left -= best->size() + 1;
    for (auto term : best->terms)
      told.shares[term] *= told.shares[term];
  }
  std::string result;
  for (auto& x : told.all) {
    if (!x.taken)
      continue;
    if (!result.empty())
      result += '\n';
    if (!x.speaker.empty())
      result.append(x.speaker).append(": ");
    result += x.text;
  }
  return result;
}

} // namespace sotto
