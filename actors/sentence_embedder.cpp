#include "actors/sentence_embedder.hpp"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#define XXH_INLINE_ALL // words are short: the call would cost more than the hash
#include <xxhash.h>

#include "messages/error.hpp"

namespace sotto {

namespace {

constexpr std::string_view magic = "SOTTOWV1";
constexpr float a = 1e-3F;
constexpr size_t longest_word = 64;

float weight_of(size_t rank) {
  auto p = 1.0F / ((static_cast<float>(rank) + 2.7F) * 12.0F);
  return a / (a + p);
}

using add_function = void (*)(const int8_t*, float, float*, size_t);

void add_plain(const int8_t* row, float weight, float* to, size_t n) {
  for (size_t i = 0; i < n; ++i)
    to[i] += weight * static_cast<float>(row[i]);
}

__attribute__((target("avx2,fma"))) void add_avx2(const int8_t* row, float weight, float* to,
                                                  size_t n) {
  auto w = _mm256_set1_ps(weight);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    auto bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + i));
    auto x = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    _mm256_storeu_ps(to + i, _mm256_fmadd_ps(w, x, _mm256_loadu_ps(to + i)));
  }
  add_plain(row + i, weight, to + i, n - i);
}

const add_function add_row =
    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? add_avx2 : add_plain;

bool in_word(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/// Calls `take` with every word in ASCII lower case.
template <class F>
void scan(std::string_view text, F take) {
  std::array<char, longest_word> word;
  size_t size = 0;
  for (auto c : text) {
    if (in_word(static_cast<unsigned char>(c))) {
      if (size < word.size())
        word[size++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (size > 0) {
      take(std::string_view{word.data(), size});
      size = 0;
    }
  }
  if (size > 0)
    take(std::string_view{word.data(), size});
}

float dot(std::span<const float> x, std::span<const float> y) {
  auto sum = 0.0F;
  for (size_t i = 0; i < x.size(); ++i)
    sum += x[i] * y[i];
  return sum;
}

template <class T>
bool copy(std::string_view& from, T* to, size_t count) {
  if (from.size() / sizeof(T) < count)
    return false;
  std::memcpy(to, from.data(), count * sizeof(T));
  from.remove_prefix(count * sizeof(T));
  return true;
}

} // namespace

caf::expected<std::shared_ptr<const sentence_embedder>>
sentence_embedder::load(const std::string& path) {
  auto file = mapped_file::open(path);
  if (!file)
    return file.error();
  auto made = std::make_shared<sentence_embedder>(std::move(*file));
  if (!made->parse())
    return to_error(
        {ec::invalid, path + " is no file of word vectors; run scripts/data/fetch", {}});
  return std::shared_ptr<const sentence_embedder>{std::move(made)};
}

bool sentence_embedder::parse() {
  auto rest = file_->bytes();
  std::array<uint32_t, 2> head{};
  if (!rest.starts_with(magic))
    return false;
  rest.remove_prefix(magic.size());
  if (!copy(rest, head.data(), 2) || head[0] == 0 || head[1] == 0 || head[1] > 4096)
    return false;
  size_t count = head[0];
  dimensions_ = head[1];
  common_.resize(dimensions_);
  if (!copy(rest, common_.data(), dimensions_) || rest.size() / sizeof(float) < count)
    return false;
  weights_.resize(count);
  if (!copy(rest, weights_.data(), count) || rest.size() / dimensions_ < count)
    return false;
  auto fits = [](float x) { return x >= -1 && x <= 1; };
  if (!std::all_of(common_.begin(), common_.end(), fits))
    return false;
  vectors_ = reinterpret_cast<const int8_t*>(rest.data());
  rest.remove_prefix(count * dimensions_);
  std::vector<uint32_t> offsets(count + 1);
  if (!copy(rest, offsets.data(), count + 1) || offsets[count] != rest.size())
    return false;
  slots_.resize(std::bit_ceil(count * 2));
  for (size_t i = 0; i < count; ++i) {
    weights_[i] *= weight_of(i);
    if (offsets[i] > offsets[i + 1] || offsets[i + 1] > rest.size() || !fits(weights_[i]))
      return false;
    auto word = rest.substr(offsets[i], offsets[i + 1] - offsets[i]);
    auto hash = XXH3_64bits(word.data(), word.size());
    auto at = hash & (slots_.size() - 1);
    while (slots_[at].word != 0)
      at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, static_cast<uint32_t>(i + 1)};
  }
  return true;
}

uint32_t sentence_embedder::find(uint64_t hash) const {
  for (auto i = hash & (slots_.size() - 1); slots_[i].word != 0; i = (i + 1) & (slots_.size() - 1))
    if (slots_[i].hash == hash)
      return slots_[i].word;
  return 0;
}

// Words and their vectors are in no cache, mostly: asked for one by one, each step would wait for
// memory; so those of a text come together.
bool sentence_embedder::add(std::span<const uint64_t> hashes, std::span<float> to) const {
  constexpr size_t line = 64;
  for (auto hash : hashes)
    __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  for (auto hash : hashes)
    if (auto i = find(hash); i != 0)
      for (size_t at = 0; at < dimensions_; at += line)
        __builtin_prefetch(vectors_ + (i - 1) * dimensions_ + at);
  auto known = false;
  for (auto hash : hashes)
    if (auto i = find(hash); i != 0) {
      known = true;
      add_row(vectors_ + (i - 1) * dimensions_, weights_[i - 1], to.data(), dimensions_);
    }
  return known;
}

void sentence_embedder::embed(std::string_view text, std::span<float> to) const {
  constexpr size_t together = 32;
  std::fill(to.begin(), to.end(), 0.0F);
  auto known = false;
  std::array<uint64_t, together> hashes;
  size_t count = 0;
  auto add_all = [&] {
    known = add(std::span{hashes}.first(count), to) || known;
    count = 0;
  };
  scan(text, [&](std::string_view word) {
    hashes[count++] = XXH3_64bits(word.data(), word.size());
    if (count == together)
      add_all();
  });
  add_all();
  if (!known)
    return;
  auto shared = dot(to, common_);
  for (size_t i = 0; i < dimensions_; ++i)
    to[i] -= shared * common_[i];
  auto norm = std::sqrt(dot(to, to));
  if (norm < 1e-6F) {
    std::fill(to.begin(), to.end(), 0.0F);
    return;
  }
  for (auto& x : to)
    x /= norm;
}

std::vector<float> sentence_embedder::embed(std::string_view text) const {
  std::vector<float> result(dimensions_);
  embed(text, result);
  return result;
}

} // namespace sotto
