#include "actors/vader.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "actors/but_rule.hpp"

namespace sotto {

namespace {

constexpr double capitals_increment = 0.733;
constexpr double negation_scalar = -0.74;
constexpr double alpha = 15;

using tokens = std::vector<vader_token>;
using w = rule_word;

/// The word `back` places before `i`.
const vader_token& before(const tokens& t, size_t i, size_t back) {
  return t[i - back];
}

double boost(const vader_token& x, double valence, bool mixed_case) {
  if (!x.has(lexicon_entry::booster))
    return 0;
  auto by = valence < 0 ? -x.entry->increment : x.entry->increment;
  if (x.upper && mixed_case)
    by += valence > 0 ? capitals_increment : -capitals_increment;
  return by;
}

bool so_or_this(const vader_token& x) {
  return x.is(w::so) || x.is(w::this_);
}

double negate(double valence, const tokens& t, size_t i, size_t distance) {
  auto& x = before(t, i, distance);
  if (distance == 2) {
    if (x.is(w::never) && so_or_this(before(t, i, 1)))
      return valence * 1.25;
    if (x.is(w::without) && before(t, i, 1).is(w::doubt))
      return valence;
  } else if (distance == 3) {
    // As the reference has it, "so" or "this" just before is enough.
    if ((x.is(w::never) && so_or_this(before(t, i, 2))) || so_or_this(before(t, i, 1)))
      return valence * 1.25;
    if (x.is(w::without) && (before(t, i, 2).is(w::doubt) || before(t, i, 1).is(w::doubt)))
      return valence;
  }
  return x.negates() ? valence * negation_scalar : valence;
}

/// A phrase with a valence of its own that begins at `t[at]`.
struct phrase {
  w words[3];
  double valence;
};
constexpr phrase phrases[]{
    {{w::the, w::shit, w::none}, 3},       {{w::the, w::bomb, w::none}, 3},
    {{w::bad, w::ass, w::none}, 1.5},      {{w::bus, w::stop, w::none}, 0},
    {{w::yeah, w::right, w::none}, -2},    {{w::kiss, w::of, w::death}, -1.5},
    {{w::to, w::die, w::for_}, 3},         {{w::beating, w::heart, w::none}, 3.1},
    {{w::broken, w::heart, w::none}, -2.9}};

/// Where in `phrases` those stand that begin with a word.
struct phrase_range {
  uint8_t from = 0, to = 0;
};
constexpr auto phrases_of = [] {
  std::array<phrase_range, rule_word_count> ranges{};
  for (uint8_t i = 0; i < std::size(phrases); ++i) {
    auto& x = ranges[static_cast<size_t>(phrases[i].words[0])];
    x = {x.to == 0 ? i : x.from, static_cast<uint8_t>(i + 1)};
  }
  return ranges;
}();

const phrase* phrase_at(const tokens& t, size_t at, size_t length) {
  auto [from, to] = phrases_of[static_cast<size_t>(t[at].word)];
  if (from == to || at + length > t.size())
    return nullptr;
  for (auto* x = phrases + from; x != phrases + to; ++x) {
    auto own = x->words[2] == w::none ? size_t{2} : size_t{3};
    if (own == length && t[at + 1].is(x->words[1]) && (own == 2 || t[at + 2].is(x->words[2])))
      return x;
  }
  return nullptr;
}

double dampening_pair(const tokens& t, size_t at) {
  auto& a = t[at];
  auto& b = t[at + 1];
  auto found = (a.is(w::just) && b.is(w::enough)) || (a.is(w::kind) && b.is(w::of))
               || (a.is(w::sort) && b.is(w::of));
  return found ? -0.293 : 0;
}

double idioms(double valence, const tokens& t, size_t i) {
  struct place {
    size_t at, length;
  };
  const place sequences[]{{i - 1, 2}, {i - 2, 3}, {i - 2, 2}, {i - 3, 3}, {i - 3, 2}};
  for (auto& x : sequences) {
    if (auto* found = phrase_at(t, x.at, x.length)) {
      valence = found->valence;
      break;
    }
  }
  if (auto* found = phrase_at(t, i, 2))
    valence = found->valence;
  if (auto* found = phrase_at(t, i, 3))
    valence = found->valence;
  return valence + dampening_pair(t, i - 3) + dampening_pair(t, i - 2);
}

double least(double valence, const tokens& t, size_t i) {
  if (i == 0 || before(t, i, 1).has(lexicon_entry::rated) || !before(t, i, 1).is(w::least))
    return valence;
  if (i > 1 && (before(t, i, 2).is(w::at) || before(t, i, 2).is(w::very)))
    return valence;
  return valence * negation_scalar;
}

double no_rule(const tokens& t, size_t i) {
  auto own = t[i].entry->valence;
  auto valence = own;
  if (t[i].is(w::no) && i + 1 < t.size() && t[i + 1].has(lexicon_entry::rated))
    valence = 0;
  auto no = [&](size_t back) { return i >= back && before(t, i, back).is(w::no); };
  if (no(1) || no(2) || (no(3) && (before(t, i, 1).is(w::or_) || before(t, i, 1).is(w::nor))))
    valence = own * negation_scalar;
  return valence;
}

/// No rule but that of capitals has to do with the word at `i`.
bool plain(const tokens& t, size_t i) {
  auto flags = t[i].flags;
  for (auto at = i < 3 ? 0 : i - 3; at < i; ++at)
    flags |= t[at].flags;
  return (flags & (lexicon_entry::booster | lexicon_entry::negator | lexicon_entry::ruled)) == 0;
}

double valence_of(const vader_text& text, size_t i) {
  auto& t = text.tokens;
  auto& x = t[i];
  auto plainly = plain(t, i);
  auto valence = plainly ? x.entry->valence : no_rule(t, i);
  if (x.upper && text.mixed_case)
    valence += valence > 0 ? capitals_increment : -capitals_increment;
  if (plainly)
    return valence;
  constexpr double damping[]{1, 0.95, 0.9};
  for (size_t distance = 1; distance <= 3 && distance <= i; ++distance) {
    auto& other = before(t, i, distance);
    if (other.has(lexicon_entry::rated))
      continue;
    valence += boost(other, valence, text.mixed_case) * damping[distance - 1];
    valence = negate(valence, t, i, distance);
    if (distance == 3)
      valence = idioms(valence, t, i);
  }
  return least(valence, t, i);
}

/// The word counts as one of no valence, though it may have one.
bool passed_over(const tokens& t, size_t i) {
  return !t[i].has(lexicon_entry::rated) || t[i].has(lexicon_entry::booster)
         || (t[i].is(w::kind) && i + 1 < t.size() && t[i + 1].is(w::of));
}

double emphasis(const vader_text& text) {
  auto marks = std::min(text.exclamations, 4) * 0.292;
  if (text.questions > 1)
    marks += text.questions <= 3 ? text.questions * 0.18 : 0.96;
  return marks;
}

/// Python's round: to the nearest decimal of the exact binary value.
double rounded(double x, double scale, int digits) {
  auto scaled = x * scale;
  // Adding and taking away 2^52 and a half of it rounds to a whole number, as nearbyint does.
  constexpr double whole_numbers = 6755399441055744.0;
  auto whole = (scaled + whole_numbers) - whole_numbers;
  if (std::abs(std::abs(scaled - whole) - 0.5) > 1e-6)
    return std::copysign(whole / scale, x); // -0.0 where the reference has it
  char text[32];
  std::snprintf(text, sizeof(text), "%.*f", digits, x);
  return std::strtod(text, nullptr);
}

/// What valences add up to.
struct valence_sums {
  double all = 0, pos = 0, neg = 0, neutral = 0;

  void add(double x) {
    all += x;
    pos += std::max(x, 0.0) + static_cast<double>(x > 0);
    neg += std::min(x, 0.0) - static_cast<double>(x < 0);
    neutral += static_cast<double>(x == 0);
  }
};

/// Words of no valence add nothing but to the neutral ones: only those that tell are looked at.
valence_sums sums_of(const vader_text& text) {
  valence_sums sums;
  auto left = text.tokens.size();
  for (auto i : text.telling) {
    if (passed_over(text.tokens, i))
      continue;
    sums.add(valence_of(text, i));
    --left;
  }
  sums.neutral += static_cast<double>(left);
  return sums;
}

/// The rule of "but" needs every word's valence.
valence_sums sums_with_but(const vader_text& text) {
  thread_local std::vector<double> valences;
  valences.assign(text.tokens.size(), 0);
  for (auto i : text.telling)
    if (!passed_over(text.tokens, i))
      valences[i] = valence_of(text, i);
  apply_but_rule(text.but, valences);
  valence_sums sums;
  for (auto x : valences)
    sums.add(x);
  return sums;
}

} // namespace

vader_scores score(const vader_text& text) {
  vader_scores result;
  if (text.tokens.empty())
    return result;
  auto [sum, pos, neg, neutral] =
      text.but < text.tokens.size() ? sums_with_but(text) : sums_of(text);
  auto marks = emphasis(text);
  sum += sum > 0 ? marks : sum < 0 ? -marks : 0;
  result.compound = std::clamp(sum / std::sqrt(sum * sum + alpha), -1.0, 1.0);
  if (pos > std::abs(neg))
    pos += marks;
  else if (pos < std::abs(neg))
    neg -= marks;
  auto total = pos + std::abs(neg) + neutral;
  result.pos = rounded(std::abs(pos / total), 1e3, 3);
  result.neg = rounded(std::abs(neg / total), 1e3, 3);
  result.neu = rounded(std::abs(neutral / total), 1e3, 3);
  result.compound = rounded(result.compound, 1e4, 4);
  return result;
}

} // namespace sotto
