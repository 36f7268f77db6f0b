#include "actors/owner_index.hpp"

#include <algorithm>
#include <cmath>

#include <xxhash.h>

#include "actors/memory_filter.hpp"
#include "actors/score_lanes.hpp"
#include "actors/text_terms.hpp"

namespace sotto {

namespace {

constexpr float speaker_bonus = 0.15F;
/// A line that only repeats the question is no answer to it.
constexpr float echo_factor = 0.1F;
/// Below this nothing of the question is in a memory.
constexpr float least_score = 0.05F;
/// Tombstones are kept until they are this share of all rows.
constexpr size_t dead_share = 4;

/// A share that is not negative, with two decimals: three stand in everything recalled, and the
/// general algorithm takes ten times as long.
void add_share(std::string& to, std::string_view name, float x) {
  constexpr unsigned hundred = 100, ten = 10;
  auto whole = static_cast<unsigned>(x * hundred + 0.5F);
  to += name;
  to += std::to_string(whole / hundred);
  to += '.';
  to += static_cast<char>('0' + whole / ten % ten);
  to += static_cast<char>('0' + whole % ten);
}

uint64_t hash_of(const std::string& text) {
  return XXH3_64bits(text.data(), text.size());
}

uint32_t short_hash_of(const std::string& text) {
  return static_cast<uint32_t>(hash_of(text));
}

/// One bit of 64.
uint64_t mark_of(std::string_view word) {
  constexpr size_t spread = 11;
  return uint64_t{1} << (static_cast<unsigned char>(word.front()) + spread * word.size()) % 64;
}

} // namespace

void owner_index::add(memory x, const std::vector<float>& vector) {
  auto i = static_cast<uint32_t>(rows_.size());
  if (vectors_.dimension() == 0 && !vector.empty())
    vectors_.set_dimension(vector.size());
  link line;
  line.embedded = !vector.empty() && vector.size() == vectors_.dimension();
  embedded_ += line.embedded ? 1 : 0;
  vectors_.add();
  if (line.embedded)
    vectors_.set(i, vector);
  words_.add(terms_of(x.text));
  auto [at, first] = last_line_.try_emplace(x.conversation, i);
  if (!first) {
    auto before = std::exchange(at->second, i);
    links_[before].after = i + 1;
    line.before = before + 1;
  }
  line.speaker = speaker_number(x.speaker);
  hashes_.push_back(short_hash_of(x.text));
  alive_.push_back(1);
  by_id_.add(short_hash_of(x.id), i);
  last_seq_ = std::max(last_seq_, x.seq);
  text_bytes_ +=
      x.text.size() + x.metadata.size() + x.id.size() + x.speaker.size() + x.conversation.size();
  links_.push_back(line);
  rows_.push_back(std::move(x));
}

uint32_t owner_index::speaker_number(const std::string& name) {
  auto [at, unheard] = speakers_.try_emplace(name, static_cast<uint32_t>(speakers_.size()));
  if (unheard)
    each_word(name, [&](std::string_view word) {
      named_by_[std::string{word}].push_back(at->second);
      name_marks_ |= mark_of(word);
    });
  return at->second;
}

std::vector<const memory*>
owner_index::without_vector(size_t most, const std::unordered_set<uint64_t>& but) const {
  std::vector<const memory*> result;
  if (embedded_ == rows_.size())
    return result;
  for (size_t i = 0; i < rows_.size() && result.size() < most; ++i)
    if (!links_[i].embedded && alive_[i] != 0 && !rows_[i].text.empty()
        && !but.contains(rows_[i].seq))
      result.push_back(&rows_[i]);
  return result;
}

std::vector<memory>::const_iterator owner_index::place_of(uint64_t seq) const {
  auto at = std::lower_bound(rows_.begin(), rows_.end(), seq,
                             [](const memory& x, uint64_t y) { return x.seq < y; });
  // A removed row has no place in the order; where the search meets one it may miss: look at all.
  if (at == rows_.end() || at->seq != seq)
    at = std::find_if(rows_.begin(), rows_.end(), [&](auto& x) { return x.seq == seq; });
  return at;
}

const memory* owner_index::at(uint64_t seq) const {
  auto at = place_of(seq);
  return at == rows_.end() ? nullptr : &*at;
}

bool owner_index::set_vector(uint64_t seq, const std::vector<float>& vector) {
  auto at = place_of(seq);
  auto dimension = vectors_.dimension();
  if (at == rows_.end() || vector.empty() || (dimension != 0 && vector.size() != dimension))
    return false;
  if (dimension == 0)
    vectors_.set_dimension(vector.size());
  auto i = static_cast<size_t>(at - rows_.begin());
  vectors_.set(i, vector);
  auto& line = links_[i];
  embedded_ += line.embedded ? 0 : 1;
  line.embedded = true;
  return true;
}

uint32_t owner_index::row_of(const std::string& id) const {
  return by_id_.find(short_hash_of(id), [&](auto row) { return rows_[row].id == id; });
}

bool owner_index::remove(const std::string& id) {
  auto row = row_of(id);
  if (row == row_table::none)
    return false;
  by_id_.remove(short_hash_of(id), row);
  auto& line = rows_[row];
  alive_[row] = 0;
  embedded_ += std::exchange(links_[row].embedded, true) ? 0 : 1; // nothing to do for it
  hashes_[row] = 0;
  line.text.assign(line.text.size(), '\0');
  line = {};
  vectors_.clear(row);
  if (++dead_ * dead_share > rows_.size())
    compact();
  return true;
}

void owner_index::compact() {
  owner_index fresh;
  fresh.last_seq_ = last_seq_;
  for (size_t i = 0; i < rows_.size(); ++i)
    if (alive_[i] != 0)
      fresh.add(std::move(rows_[i]), links_[i].embedded ? vectors_.get(i) : std::vector<float>{});
  *this = std::move(fresh);
}

const memory* owner_index::find(const std::string& id) const {
  auto row = row_of(id);
  return row == row_table::none ? nullptr : &rows_[row];
}

void owner_index::add_meaning(const memory_query& query, std::vector<float>& to) const {
  if (vectors_.dimension() == 0 || query.vector.size() != vectors_.dimension())
    return;
  // Over all rows and not a Faiss index, as fusion needs every row's score. Not by BLAS either:
  // OpenBLAS takes processors that are younger than itself for old ones.
  vectors_.multiply(query.vector, to);
}

// By number of the speaker; empty where none is named, which is nearly always.
std::vector<bool> owner_index::speakers_named(const std::string& question) const {
  std::vector<bool> result;
  std::string key;
  each_word(question, [&](std::string_view word) {
    if ((name_marks_ & mark_of(word)) == 0)
      return;
    key = word;
    auto at = named_by_.find(key);
    if (at == named_by_.end())
      return;
    result.resize(speakers_.size());
    for (auto x : at->second)
      result[x] = true;
  });
  return result;
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
  // Row 0 stands at `pad`, with nothing before it and behind the last: nobody has to ask.
  std::vector<float> base(n + 2 * pad);
  auto* own = base.data() + pad;
  put_own_scores(x.words, scale, x.meaning, alive_, own);
  x.total.resize(n);
  // Neighbours strengthen what is found by itself; alone they would bring in small talk.
  if (last_line_.size() > 1)
    add_neighbours(own, x.total);
  else
    add_rows_beside(own, x.total);
  if (auto named = speakers_named(query.text); !named.empty())
    for (size_t i = 0; i < n; ++i)
      if (named[links_[i].speaker])
        x.total[i] += speaker_bonus;
  each_equal(short_hash_of(query.text), hashes_, [&](size_t i) {
    if (rows_[i].text == query.text)
      x.total[i] *= echo_factor;
  });
}

void owner_index::add_neighbours(const float* own, std::vector<float>& to) const {
  // Rows are counted from 1 here, and 0 is none.
  auto score = [&](uint32_t i) { return i == 0 ? 0.0F : own[i - 1]; };
  auto before = [&](uint32_t i) { return i == 0 ? 0 : links_[i - 1].before; };
  auto after = [&](uint32_t i) { return i == 0 ? 0 : links_[i - 1].after; };
  for (size_t i = 0; i < to.size(); ++i) {
    auto& row = links_[i];
    to[i] = own[i] + one_away * (score(row.before) + score(row.after))
            + two_away * (score(before(row.before)) + score(after(row.after)));
  }
}

recalled owner_index::explain(const parts& scores, uint32_t i, float total) const {
  auto words = scores.best_words > 0 ? scores.words[i] / scores.best_words : 0.0F;
  auto meaning = std::max(scores.meaning[i], 0.0F);
  auto rest = std::max(total - words - meaning_weight * meaning, 0.0F);
  std::string why;
  why.reserve(48);
  add_share(why, "words ", words);
  add_share(why, ", meaning ", meaning);
  add_share(why, ", around ", rest);
  return {rows_[i], total, std::move(why)};
}

// A heap of the best so far, the worst of them on top: of most rows nothing but the score is read.
std::vector<uint32_t> owner_index::best(const memory_query& query, const parts& scores) const {
  memory_filter filter{query};
  auto better = [&](uint32_t a, uint32_t b) {
    return scores.total[a] != scores.total[b] ? scores.total[a] > scores.total[b] : a > b;
  };
  std::vector<uint32_t> result;
  // Of equal ones the later is better: each that comes may be as good as the worst.
  auto least = least_score;
  auto look_at = [&](uint32_t i) {
    if (scores.total[i] < least || alive_[i] == 0 || !filter.passes(rows_[i]))
      return;
    if (result.size() == query.k) {
      std::pop_heap(result.begin(), result.end(), better);
      result.pop_back();
    }
    result.push_back(i);
    std::push_heap(result.begin(), result.end(), better);
    if (result.size() == query.k)
      least = std::max(least_score, scores.total[result.front()]);
  };
  for (size_t i = 0; (i = next_candidates(scores.total, i, least)) < rows_.size();)
    for (auto end = std::min(i + lanes, rows_.size()); i < end; ++i)
      look_at(static_cast<uint32_t>(i));
  std::sort_heap(result.begin(), result.end(), better);
  return result;
}

std::vector<recalled> owner_index::search(const memory_query& query) const {
  if (query.k == 0 || size() == 0)
    return {};
  auto scores = score(query);
  auto chosen = best(query, scores);
  fetch(chosen);
  std::vector<recalled> result;
  result.reserve(chosen.size());
  for (auto i : chosen)
    result.push_back(explain(scores, i, scores.total[i]));
  return result;
}

// Rows lie far from each other and are in no cache, mostly: asked for at once, they come together.
void owner_index::fetch(const std::vector<uint32_t>& rows) const {
  constexpr size_t line = 64;
  for (auto i : rows)
    for (size_t at = 0; at < sizeof(memory); at += line)
      __builtin_prefetch(reinterpret_cast<const char*>(&rows_[i]) + at);
  for (auto i : rows) {
    __builtin_prefetch(rows_[i].text.data());
    __builtin_prefetch(rows_[i].id.data());
  }
}

std::vector<memory> owner_index::recent(const std::string& conversation, size_t n) const {
  std::vector<memory> result;
  auto at = last_line_.find(conversation);
  for (auto i = at == last_line_.end() ? 0 : at->second + 1; i != 0 && result.size() < n;
       i = links_[i - 1].before)
    if (alive_[i - 1] != 0)
      result.push_back(rows_[i - 1]);
  std::reverse(result.begin(), result.end());
  return result;
}

memory_page owner_index::page(const std::string& after, size_t limit) const {
  auto at = row_of(after);
  memory_page result;
  auto i = at == row_table::none ? 0 : size_t{at} + 1;
  for (; i < rows_.size() && result.memories.size() < limit; ++i)
    if (alive_[i] != 0)
      result.memories.push_back(rows_[i]);
  while (i < rows_.size() && alive_[i] == 0)
    ++i;
  if (i < rows_.size() && !result.memories.empty())
    result.next = result.memories.back().id;
  return result;
}

size_t owner_index::bytes() const {
  constexpr size_t per_row = sizeof(memory) + sizeof(link) + sizeof(float) + sizeof(uint32_t);
  return sizeof(*this) + rows_.size() * per_row + by_id_.bytes() + vectors_.bytes() + words_.bytes()
         + text_bytes_;
}

} // namespace sotto
