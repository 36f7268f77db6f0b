#include "actors/lexical_index.hpp"

#include <algorithm>
#include <cmath>

namespace sotto {

namespace {

constexpr float k1 = 0.9F;
constexpr float b = 0.4F;
/// A map node with its vector.
constexpr size_t bytes_per_term = 64;

} // namespace

void lexical_index::add(std::span<const uint64_t> terms) {
  auto row = static_cast<uint32_t>(lengths_.size());
  lengths_.push_back(static_cast<uint32_t>(terms.size()));
  total_length_ += terms.size();
  bytes_ += sizeof(uint32_t);
  for (auto term : terms) {
    auto [at, unheard] = postings_.try_emplace(term, places{{row, 0}, {}});
    auto& [first, more] = at->second;
    if (unheard)
      bytes_ += bytes_per_term;
    auto* last = more.empty() ? &first : &more.back();
    if (last->row != row) {
      last = &more.emplace_back(posting{row, 0});
      bytes_ += sizeof(posting);
    }
    ++last->count;
  }
}

float lexical_index::score(std::span<const uint64_t> terms, std::vector<float>& scores) const {
  std::vector<uint64_t> distinct(terms.begin(), terms.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  auto n = static_cast<float>(lengths_.size());
  auto mean = std::max(static_cast<float>(total_length_) / std::max(n, 1.0F), 1.0F);
  auto best = 0.0F;
  for (auto term : distinct) {
    auto at = postings_.find(term);
    if (at == postings_.end())
      continue;
    auto& [first, more] = at->second;
    auto df = static_cast<float>(more.size() + 1);
    auto idf = std::log1p((n - df + 0.5F) / (df + 0.5F));
    auto add = [&](const posting& x) {
      auto tf = static_cast<float>(x.count);
      auto norm = k1 * (1 - b + b * static_cast<float>(lengths_[x.row]) / mean);
      scores[x.row] += idf * tf * (k1 + 1) / (tf + norm);
      best = std::max(best, scores[x.row]);
    };
    add(first);
    for (auto& x : more)
      add(x);
  }
  return best;
}

} // namespace sotto
