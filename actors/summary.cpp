#include "actors/summary.hpp"

#include <algorithm>

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

/// Numbers terms from 0 in the order in which they come. They are hashes already.
class term_numbers {
public:
  uint32_t of(uint64_t term) {
    if (2 * (count_ + 1) > slots_.size())
      grow();
    auto& x = slot_of(term);
    if (x.number == none)
      x = {term, count_++};
    return x.number;
  }

private:
  static constexpr uint32_t none = 0xffffffff;
  static constexpr size_t usual = 512;

  struct slot {
    uint64_t term = 0;
    uint32_t number = none;
  };

  slot& slot_of(uint64_t term) {
    auto i = term & (slots_.size() - 1);
    while (slots_[i].number != none && slots_[i].term != term)
      i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }

  void grow() {
    std::vector<slot> before(2 * slots_.size());
    before.swap(slots_);
    for (auto& x : before)
      if (x.number != none)
        slot_of(x.term) = x;
  }

  std::vector<slot> slots_ = std::vector<slot>(usual);
  uint32_t count_ = 0;
};

/// Sentences and how often each of their terms is said. Terms are numbered, so that weighing a
/// sentence, which is done many times, looks nothing up.
struct told_sentences {
  std::vector<sentence> all;
  term_numbers numbers;
  /// The terms of all sentences, one sentence after another.
  std::vector<uint32_t> terms;
  std::vector<double> shares;
  /// Of the sentence at hand.
  std::vector<uint64_t> said;

  void add(std::string_view speaker, std::string_view text) {
    auto from = terms.size();
    said.clear();
    add_terms(text, said);
    for (auto term : said) {
      auto number = numbers.of(term);
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
      auto& top = places_.front();
      auto& x = of_.all[top.index];
      auto weight = of_.weight_of(x);
      auto fits = x.size() < left;
      auto heaviest = fits && weight == top.weight;
      top.weight = weight;
      if (heaviest || !fits || weight <= 0) {
        top = places_.back();
        places_.pop_back();
      }
      sink();
      if (heaviest) {
        of_.take(x);
        return &x;
      }
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

  /// Brings what lies on top to where it belongs; half as much work as taking it out and putting it
  /// in again.
  void sink() {
    auto n = places_.size();
    for (size_t i = 0, child = 1; child < n; i = child, child = 2 * i + 1) {
      child += child + 1 < n && places_[child] < places_[child + 1] ? 1 : 0;
      if (!(places_[i] < places_[child]))
        return;
      std::swap(places_[i], places_[child]);
    }
  }

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
