#include "actors/lexical_index.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <emmintrin.h>

namespace sotto {

namespace {

constexpr float k1 = 0.9F;
constexpr float b = 0.4F;
/// Rows of fewer terms, which are nearly all, have their scores looked up.
constexpr size_t short_row = 64;
/// Fewer places than this are weighed one by one.
constexpr size_t worth_a_table = 24;

uint32_t high_half(uint64_t x) {
  return static_cast<uint32_t>(x >> 32);
}

using table = std::array<float, short_row>;

float norm_of(uint32_t length, float mean) {
  return k1 * (1 - b + b * static_cast<float>(length) / mean);
}

float score_of(float idf, float tf, float norm) {
  return idf * tf * (k1 + 1) / (tf + norm);
}

float largest_of(const std::vector<float>& x) {
  constexpr size_t lanes = 4;
  auto four = _mm_setzero_ps();
  size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    four = _mm_max_ps(four, _mm_loadu_ps(x.data() + i));
  std::array<float, lanes> each{};
  _mm_storeu_ps(each.data(), four);
  auto result = *std::max_element(each.begin(), each.end());
  for (; i < x.size(); ++i)
    result = std::max(result, x[i]);
  return result;
}

} // namespace

size_t lexical_index::slot_of(uint64_t term) const {
  auto last = slots_.size() - 1;
  auto i = term & last;
  while (slots_[i].place != 0
         && (slots_[i].hash != high_half(term) || places_[slots_[i].place - 1].term != term))
    i = (i + 1) & last;
  return i;
}

const lexical_index::places* lexical_index::find(uint64_t term) const {
  auto place = slots_.empty() ? 0 : slots_[slot_of(term)].place;
  return place == 0 ? nullptr : &places_[place - 1];
}

void lexical_index::grow() {
  constexpr size_t least = 16;
  std::vector<slot> wider(slots_.empty() ? least : 2 * slots_.size());
  wider.swap(slots_);
  for (size_t i = 0; i < places_.size(); ++i)
    slots_[slot_of(places_[i].term)] = {high_half(places_[i].term), static_cast<uint32_t>(i + 1)};
}

// What a term leads to is in no cache, mostly, as owners take turns. Asked for
// one by one, each step would wait for memory; so they come together.
void lexical_index::fetch(std::span<const uint64_t> terms) const {
  if (slots_.empty())
    return;
  auto first_of = [&](uint64_t term) { return &slots_[term & (slots_.size() - 1)]; };
  for (auto term : terms)
    __builtin_prefetch(first_of(term));
  for (auto term : terms)
    if (auto place = first_of(term)->place; place != 0)
      __builtin_prefetch(&places_[place - 1]);
  for (auto term : terms)
    if (auto place = first_of(term)->place; place != 0 && !places_[place - 1].more.empty())
      __builtin_prefetch(&places_[place - 1].more.back());
}

void lexical_index::add(std::span<const uint64_t> terms) {
  auto row = static_cast<uint32_t>(lengths_.size());
  lengths_.push_back(static_cast<uint32_t>(terms.size()));
  total_length_ += terms.size();
  fetch(terms);
  for (auto term : terms) {
    if (2 * (places_.size() + 1) > slots_.size())
      grow();
    auto& at = slots_[slot_of(term)];
    if (at.place == 0) {
      places_.push_back({term, {row, 0}, {}});
      at = {high_half(term), static_cast<uint32_t>(places_.size())};
    }
    auto& [said, first, more] = places_[at.place - 1];
    auto* last = more.empty() ? &first : &more.back();
    if (last->row != row) {
      last = &more.emplace_back(posting{row, 0});
      posting_bytes_ += sizeof(posting);
    }
    ++last->count;
  }
}

size_t lexical_index::bytes() const {
  return places_.size() * sizeof(places) + slots_.size() * sizeof(slot)
         + lengths_.size() * sizeof(uint32_t) + posting_bytes_;
}

float lexical_index::score(std::span<const uint64_t> terms, std::vector<float>& scores) const {
  std::vector<uint64_t> distinct(terms.begin(), terms.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  auto n = static_cast<float>(lengths_.size());
  auto mean = std::max(static_cast<float>(total_length_) / std::max(n, 1.0F), 1.0F);
  table norms,
      once; // of a row by its length, and the score of what is said once in it
  for (size_t i = 0; i < short_row; ++i)
    norms[i] = norm_of(static_cast<uint32_t>(i), mean);
  fetch(distinct);
  for (auto term : distinct) {
    auto* at = find(term);
    if (!at)
      continue;
    auto& [said, first, more] = *at;
    auto df = static_cast<float>(more.size() + 1);
    auto idf = std::log1p((n - df + 0.5F) / (df + 0.5F));
    auto add = [&](const posting& x) {
      auto length = lengths_[x.row];
      auto norm = length < short_row ? norms[length] : norm_of(length, mean);
      scores[x.row] += score_of(idf, static_cast<float>(x.count), norm);
    };
    add(first);
    if (more.size() < worth_a_table) {
      for (auto& x : more)
        add(x);
      continue;
    }
    for (size_t i = 0; i < short_row; ++i)
      once[i] = score_of(idf, 1, norms[i]);
    for (auto& x : more)
      if (auto length = lengths_[x.row]; x.count == 1 && length < short_row)
        scores[x.row] += once[length];
      else
        add(x);
  }
  return largest_of(scores);
}

} // namespace sotto
