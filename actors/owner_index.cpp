#include "actors/owner_index.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include <cblas.h>
#include <fmt/format.h>

#include "actors/memory_filter.hpp"
#include "actors/text_terms.hpp"

namespace sotto {

namespace {

constexpr float meaning_weight = 0.7F;
constexpr float one_away = 0.35F;
constexpr float two_away = 0.15F;
constexpr float speaker_bonus = 0.15F;
/// A line that only repeats the question is no answer to it.
constexpr float echo_factor = 0.1F;
/// Below this nothing of the question is in a memory.
constexpr float least_score = 0.05F;
/// Tombstones are kept until they are this share of all rows.
constexpr size_t dead_share = 4;

} // namespace

void owner_index::add(memory x, const std::vector<float>& vector) {
  auto i = static_cast<uint32_t>(rows_.size());
  if (dimension_ == 0 && !vector.empty()) {
    dimension_ = vector.size();
    vectors_.resize(rows_.size() * dimension_);
  }
  if (vector.size() == dimension_)
    vectors_.insert(vectors_.end(), vector.begin(), vector.end());
  else
    vectors_.resize((rows_.size() + 1) * dimension_);
  words_.add(terms_of(x.text));
  link line;
  auto [at, first] = last_line_.try_emplace(x.conversation, i);
  if (!first) {
    line.before = std::exchange(at->second, i);
    links_[line.before].after = i;
  }
  auto [speaker, unheard] = speakers_.try_emplace(x.speaker);
  if (unheard)
    each_word(x.speaker, [&](std::string_view word) { speaker->second.emplace_back(word); });
  by_id_.emplace(x.id, i);
  last_seq_ = std::max(last_seq_, x.seq);
  text_bytes_ +=
      x.text.size() + x.metadata.size() + x.id.size() + x.speaker.size() + x.conversation.size();
  links_.push_back(line);
  rows_.push_back(std::move(x));
}

bool owner_index::remove(const std::string& id) {
  auto at = by_id_.find(id);
  if (at == by_id_.end())
    return false;
  links_[at->second].dead = true;
  auto& line = rows_[at->second];
  line.text.assign(line.text.size(), '\0');
  line = {};
  std::fill_n(vectors_.begin() + static_cast<std::ptrdiff_t>(at->second * dimension_), dimension_,
              0.0F);
  by_id_.erase(at);
  if (++dead_ * dead_share > rows_.size())
    compact();
  return true;
}

void owner_index::compact() {
  owner_index fresh;
  fresh.last_seq_ = last_seq_;
  std::vector<float> vector;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (links_[i].dead)
      continue;
    auto at = vectors_.begin() + static_cast<std::ptrdiff_t>(i * dimension_);
    vector.assign(at, at + static_cast<std::ptrdiff_t>(dimension_));
    fresh.add(std::move(rows_[i]), vector);
  }
  *this = std::move(fresh);
}

const memory* owner_index::find(const std::string& id) const {
  auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &rows_[at->second];
}

void owner_index::add_meaning(const memory_query& query, std::vector<float>& to) const {
  if (dimension_ == 0 || query.vector.size() != dimension_)
    return;
  // BLAS over all rows and not a Faiss index: fusion needs every row's score, and sgemv takes a
  // sixteenth of the time of IndexFlatIP for one query.
  auto d = static_cast<blasint>(dimension_);
  cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<blasint>(rows_.size()), d, 1.0F,
              vectors_.data(), d, query.vector.data(), 1, 0.0F, to.data(), 1);
}

std::vector<bool> owner_index::speakers_named(const std::string& question) const {
  std::unordered_set<std::string> asked;
  each_word(question, [&](std::string_view word) { asked.emplace(word); });
  std::unordered_set<std::string_view> named;
  for (auto& [name, words] : speakers_)
    if (std::any_of(words.begin(), words.end(), [&](auto& x) { return asked.contains(x); }))
      named.insert(name);
  if (named.empty())
    return {};
  std::vector<bool> result(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i)
    result[i] = named.contains(rows_[i].speaker);
  return result;
}

float owner_index::neighbours(const std::vector<float>& base, uint32_t i) const {
  auto sum = 0.0F;
  if (auto x = links_[i].before; x != none) {
    sum += one_away * base[x];
    if (auto y = links_[x].before; y != none)
      sum += two_away * base[y];
  }
  if (auto x = links_[i].after; x != none) {
    sum += one_away * base[x];
    if (auto y = links_[x].after; y != none)
      sum += two_away * base[y];
  }
  return sum;
}

owner_index::parts owner_index::score(const memory_query& query) const {
  parts x;
  auto n = rows_.size();
  x.words.resize(n);
  x.meaning.resize(n);
  x.best_words = words_.score(terms_of(query.text), x.words);
  add_meaning(query, x.meaning);
  rate(query, x);
  return x;
}

void owner_index::rate(const memory_query& query, parts& x) const {
  auto n = rows_.size();
  auto scale = x.best_words > 0 ? 1 / x.best_words : 0.0F;
  std::vector<float> base(n);
  for (size_t i = 0; i < n; ++i)
    base[i] =
        links_[i].dead ? 0 : x.words[i] * scale + meaning_weight * std::max(x.meaning[i], 0.0F);
  x.total.resize(n);
  auto named = speakers_named(query.text);
  for (uint32_t i = 0; i < n; ++i) {
    // Neighbours strengthen what is found by itself; alone they would bring in small talk.
    x.total[i] = base[i] + neighbours(base, i);
    if (!named.empty() && named[i])
      x.total[i] += speaker_bonus;
    // Most rows are out by now; the text of the others is worth a look.
    if (x.total[i] >= least_score && rows_[i].text == query.text)
      x.total[i] *= echo_factor;
  }
}

recalled owner_index::explain(const parts& scores, uint32_t i, float total) const {
  auto words = scores.best_words > 0 ? scores.words[i] / scores.best_words : 0.0F;
  auto meaning = std::max(scores.meaning[i], 0.0F);
  auto rest = std::max(total - words - meaning_weight * meaning, 0.0F);
  return {rows_[i], total,
          fmt::format("words {:.2f}, meaning {:.2f}, around {:.2f}", words, meaning, rest)};
}

std::vector<recalled> owner_index::search(const memory_query& query) const {
  if (query.k == 0 || size() == 0)
    return {};
  auto scores = score(query);
  memory_filter filter{query};
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < rows_.size(); ++i)
    if (!links_[i].dead && scores.total[i] >= least_score && filter.passes(rows_[i]))
      found.push_back(i);
  auto better = [&](uint32_t a, uint32_t b) {
    return scores.total[a] != scores.total[b] ? scores.total[a] > scores.total[b] : a > b;
  };
  auto k = std::min<size_t>(query.k, found.size());
  auto end = found.begin() + static_cast<std::ptrdiff_t>(k);
  std::partial_sort(found.begin(), end, found.end(), better);
  std::vector<recalled> result;
  result.reserve(k);
  for (size_t i = 0; i < k; ++i)
    result.push_back(explain(scores, found[i], scores.total[found[i]]));
  return result;
}

std::vector<memory> owner_index::recent(const std::string& conversation, size_t n) const {
  std::vector<memory> result;
  auto at = last_line_.find(conversation);
  for (auto i = at == last_line_.end() ? none : at->second; i != none && result.size() < n;
       i = links_[i].before)
    if (!links_[i].dead)
      result.push_back(rows_[i]);
  std::reverse(result.begin(), result.end());
  return result;
}

memory_page owner_index::page(const std::string& after, size_t limit) const {
  auto at = by_id_.find(after);
  memory_page result;
  auto i = at == by_id_.end() ? 0 : size_t{at->second} + 1;
  for (; i < rows_.size() && result.memories.size() < limit; ++i)
    if (!links_[i].dead)
      result.memories.push_back(rows_[i]);
  while (i < rows_.size() && links_[i].dead)
    ++i;
  if (i < rows_.size() && !result.memories.empty())
    result.next = result.memories.back().id;
  return result;
}

size_t owner_index::bytes() const {
  constexpr size_t per_row = sizeof(memory) + sizeof(link) + 96; // and its entry by id
  return sizeof(*this) + rows_.size() * per_row + vectors_.size() * sizeof(float) + words_.bytes()
         + text_bytes_;
}

} // namespace sotto
