#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "actors/vader.hpp"

namespace sotto::test {

/// VADER's rules (Hutto and Gilbert, 2014) on ASCII texts, word by word and with maps of strings:
/// slow, and nothing but the rules.
class plain_vader {
public:
  /// `path`: of `emotion.bin`.
  explicit plain_vader(const std::string& path) {
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields{line};
      std::string kind, word, value;
      if (std::getline(fields, kind, '\t') && std::getline(fields, word, '\t')
          && std::getline(fields, value) && kind == "w")
        rated_[word] = std::strtod(value.c_str(), nullptr);
    }
  }

  /// Those of letters alone.
  std::vector<std::string> rated_words() const {
    std::vector<std::string> words;
    for (auto& [word, valence] : rated_)
      if (std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
        words.push_back(word);
    return words;
  }

  static const std::map<std::string, double>& boosters() {
    static const std::map<std::string, double> words{
        {"very", up},    {"really", up},    {"so", up},    {"absolutely", up},
        {"barely", -up}, {"slightly", -up}, {"kinda", -up}};
    return words;
  }

  static const std::set<std::string>& negators() {
    static const std::set<std::string> words{"not", "never",   "can't",   "isn't", "dont",
                                             "nor", "without", "nothing", "rarely"};
    return words;
  }

  /// Of words that are rated, or in the lists above, or mean nothing.
  vader_scores score(const std::string& text) const {
    auto words = split(text);
    std::vector<std::string> low;
    size_t capitals = 0;
    for (auto& x : words) {
      capitals += is_upper(x) ? 1 : 0;
      low.push_back(lower(x));
    }
    auto mixed = capitals > 0 && capitals < words.size();
    std::vector<double> valences;
    for (size_t i = 0; i < words.size(); ++i)
      valences.push_back(valence(words, low, i, mixed));
    auto but = std::find(low.begin(), low.end(), "but");
    if (but != low.end())
      halve_before(static_cast<size_t>(but - low.begin()), valences);
    return sum(valences, text);
  }

private:
  using strings = std::vector<std::string>;
  static constexpr double up = 0.293;
  static constexpr double loud = 0.733;
  static constexpr double turned = -0.74;

  static std::string lower(std::string x) {
    for (auto& c : x)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return x;
  }

  static bool is_upper(const std::string& x) {
    auto has = [&](char from, char to) {
      return std::any_of(x.begin(), x.end(), [=](char c) { return c >= from && c <= to; });
    };
    return has('A', 'Z') && !has('a', 'z');
  }

  static strings split(const std::string& text) {
    strings words;
    std::istringstream in{text};
    for (std::string word; in >> word;) {
      auto mark = [](unsigned char c) { return std::ispunct(c) != 0; };
      auto from = std::find_if_not(word.begin(), word.end(), mark);
      auto to = std::find_if_not(word.rbegin(), word.rend(), mark).base();
      words.push_back(from < to && to - from > 2 ? std::string(from, to) : word);
    }
    return words;
  }

  bool rated(const std::string& x) const { return rated_.contains(x); }

  static bool negates(const std::string& x) {
    return negators().contains(x) || x.find("n't") != std::string::npos;
  }

  double valence(const strings& words, const strings& low, size_t i, bool mixed) const {
    auto& word = low[i];
    auto follows = [&](const char* x) { return i + 1 < low.size() && low[i + 1] == x; };
    if (!rated(word) || boosters().contains(word) || (word == "kind" && follows("of")))
      return 0;
    auto own = rated_.at(word);
    auto value = word == "no" && i + 1 < low.size() && rated(low[i + 1]) ? 0 : own;
    auto back = [&](size_t by) { return i >= by ? low[i - by] : std::string{}; };
    if (back(1) == "no" || back(2) == "no"
        || (back(3) == "no" && (back(1) == "or" || back(1) == "nor")))
      value = own * turned;
    if (is_upper(words[i]) && mixed)
      value += value > 0 ? loud : -loud;
    for (size_t by = 1; by <= 3 && by <= i; ++by) {
      if (rated(back(by)))
        continue;
      value += boost(words[i - by], back(by), value, mixed) * (1 - 0.05 * double(by - 1));
      value = negated(value, low, i, by);
      if (by == 3)
        value = idioms(value, low, i);
    }
    if (i > 0 && !rated(back(1)) && back(1) == "least"
        && !(i > 1 && (back(2) == "at" || back(2) == "very")))
      value *= turned;
    return value;
  }

  static double boost(const std::string& word, const std::string& low, double value, bool mixed) {
    auto at = boosters().find(low);
    if (at == boosters().end())
      return 0;
    auto by = value < 0 ? -at->second : at->second;
    return is_upper(word) && mixed ? by + (value > 0 ? loud : -loud) : by;
  }

  static double negated(double value, const strings& low, size_t i, size_t by) {
    auto& x = low[i - by];
    auto so_or_this = [&](size_t at) { return low[i - at] == "so" || low[i - at] == "this"; };
    if (by == 2 && x == "never" && so_or_this(1))
      return value * 1.25;
    if (by == 2 && x == "without" && low[i - 1] == "doubt")
      return value;
    if (by == 3 && ((x == "never" && so_or_this(2)) || so_or_this(1)))
      return value * 1.25;
    if (by == 3 && x == "without" && (low[i - 2] == "doubt" || low[i - 1] == "doubt"))
      return value;
    return negates(x) ? value * turned : value;
  }

  static std::string joined(const strings& low, size_t from, size_t count) {
    std::string out;
    for (size_t i = from; i < from + count && from + count <= low.size(); ++i)
      out += (i == from ? "" : " ") + low[i];
    return out;
  }

  static double idioms(double value, const strings& low, size_t i) {
    static const std::map<std::string, double> known{
        {"the shit", 3},   {"the bomb", 3},        {"bad ass", 1.5},
        {"bus stop", 0},   {"yeah right", -2},     {"kiss of death", -1.5},
        {"to die for", 3}, {"beating heart", 3.1}, {"broken heart", -2.9}};
    struct place {
      size_t from, count;
    };
    const place before[]{{i - 1, 2}, {i - 2, 3}, {i - 2, 2}, {i - 3, 3}, {i - 3, 2}};
    for (auto [from, count] : before) {
      if (auto at = known.find(joined(low, from, count)); at != known.end()) {
        value = at->second;
        break;
      }
    }
    for (size_t count : {2, 3})
      if (auto at = known.find(joined(low, i, count)); at != known.end())
        value = at->second;
    static const std::set<std::string> dampeners{"just enough", "kind of", "sort of"};
    for (size_t from : {i - 3, i - 2})
      value -= dampeners.contains(joined(low, from, 2)) ? up : 0;
    return value;
  }

  /// The reference looks each value up in the list that it changes.
  static void halve_before(size_t but, std::vector<double>& valences) {
    for (size_t i = 0; i < valences.size(); ++i) {
      auto first = static_cast<size_t>(std::find(valences.begin(), valences.end(), valences[i])
                                       - valences.begin());
      if (first != but)
        valences[first] *= first < but ? 0.5 : 1.5;
    }
  }

  static vader_scores sum(const std::vector<double>& valences, const std::string& text) {
    vader_scores result;
    if (valences.empty())
      return result;
    double all = 0, good = 0, bad = 0, none = 0;
    for (auto x : valences) {
      all += x;
      good += x > 0 ? x + 1 : 0;
      bad += x < 0 ? x - 1 : 0;
      none += x == 0 ? 1 : 0;
    }
    auto marks = 0.292 * double(std::min<ptrdiff_t>(std::count(text.begin(), text.end(), '!'), 4));
    if (auto asked = std::count(text.begin(), text.end(), '?'); asked > 1)
      marks += asked <= 3 ? 0.18 * double(asked) : 0.96;
    all += all > 0 ? marks : all < 0 ? -marks : 0;
    good += good > std::abs(bad) ? marks : 0;
    bad -= good < std::abs(bad) ? marks : 0;
    auto total = good + std::abs(bad) + none;
    result.pos = rounded(good / total, "%.3f");
    result.neg = rounded(std::abs(bad / total), "%.3f");
    result.neu = rounded(none / total, "%.3f");
    result.compound = rounded(std::clamp(all / std::sqrt(all * all + 15), -1.0, 1.0), "%.4f");
    return result;
  }

  static double rounded(double x, const char* format) {
    char text[32];
    std::snprintf(text, sizeof(text), format, x);
    return std::strtod(text, nullptr);
  }

  std::map<std::string, double> rated_;
};

} // namespace sotto::test
