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
    auto& list = postings_[term];
    if (list.empty())
      bytes_ += bytes_per_term;
    if (!list.empty() && list.back().row == row) {
      ++list.back().count;
    } else {
      list.push_back({row, 1});
      bytes_ += sizeof(posting);
    }
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
    auto df = static_cast<float>(at->second.size());
    auto idf = std::log1p((n - df + 0.5F) / (df + 0.5F));
    for (auto& [row, count] : at->second) {
      auto tf = static_cast<float>(count);
      auto norm = k1 * (1 - b + b * static_cast<float>(lengths_[row]) / mean);
      scores[row] += idf * tf * (k1 + 1) / (tf + norm);
      best = std::max(best, scores[row]);
    }
  }
  return best;
}

} // namespace sotto
