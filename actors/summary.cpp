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
  /// Its terms' numbers, from here to there in the list of all.
  size_t from = 0, to = 0;
  bool taken = false;

  size_t size() const { return text.size() + (speaker.empty() ? 0 : speaker.size() + 2); }
};

/// Sentences and how often each of their terms is said. Terms are numbered, so that weighing a
/// sentence, which is done many times, looks nothing up.
struct told_sentences {
  std::vector<sentence> all;
  std::unordered_map<uint64_t, uint32_t> numbers;
  /// The terms of all sentences, one sentence after another.
  std::vector<uint32_t> terms;
  std::vector<double> shares;

  void add(std::string_view speaker, std::string_view text) {
    auto from = terms.size();
    for (auto term : terms_of(text)) {
      auto number = numbers.try_emplace(term, static_cast<uint32_t>(shares.size())).first->second;
      if (number == shares.size())
        shares.push_back(0);
      ++shares[number];
      terms.push_back(number);
    }
    all.push_back({speaker, text, from, terms.size()});
  }

  double weight_of(const sentence& x) const {
    double sum = 0;
    for (auto i = x.from; i < x.to; ++i)
      sum += shares[terms[i]];
    return x.from == x.to ? 0 : sum / static_cast<double>(x.to - x.from);
  }

  void take(sentence& x) {
    x.taken = true;
    for (auto i = x.from; i < x.to; ++i)
      shares[terms[i]] *= shares[terms[i]];
  }
};

/// Sentences by weight, the first of the heaviest first. Taking one makes others lighter, never
/// heavier: what lies on top is weighed anew, and is the heaviest if it still is no lighter.
class heaviest_first {
public:
  explicit heaviest_first(told_sentences& of) : of_(of) {
    for (size_t i = 0; i < of.all.size(); ++i)
      if (auto weight = of.weight_of(of.all[i]); weight > 0)
        places_.push_back({weight, i});
    std::make_heap(places_.begin(), places_.end());
  }

  /// Takes the heaviest sentence shorter than `left`, which may not grow; nothing: there is none.
  sentence* next(size_t left) {
    while (!places_.empty()) {
      std::pop_heap(places_.begin(), places_.end());
      auto& x = of_.all[places_.back().index];
      auto weight = of_.weight_of(x);
      if (x.size() < left && weight == places_.back().weight) {
        places_.pop_back();
        of_.take(x);
        return &x;
      }
      places_.back().weight = weight;
      if (x.size() < left && weight > 0)
        std::push_heap(places_.begin(), places_.end());
      else
        places_.pop_back();
    }
    return nullptr;
  }

private:
  struct place {
    double weight = 0;
    size_t index = 0;
    bool operator<(const place& y) const {
      return weight != y.weight ? weight < y.weight : index > y.index;
    }
  };

  told_sentences& of_;
  std::vector<place> places_;
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
  constexpr size_t usual = 256; // terms
  told_sentences result;
  result.numbers.reserve(usual);
  result.terms.reserve(2 * usual);
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
  heaviest_first order{told};
  for (auto left = most; auto* best = order.next(left);)
    left -= best->size() + 1;
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
