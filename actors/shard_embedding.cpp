// SHARD's embeddings by a provider.
#include <charconv>

#include "actors/shard.hpp"

namespace sotto {

namespace {

/// Owners for whom a provider is asked at the same time, texts in one question, and the pause after
/// it failed (nanoseconds).
constexpr size_t most_embedding = 4;
constexpr size_t texts_at_once = 32;
constexpr int64_t embed_pause = 30'000'000'000;

} // namespace

void shard_state::embed_missing(const owner_key& key, loaded_owner& owner) {
  if (!embedder_.provider || owner.embedding || owner.doubtful || owner.erasing != 0
      || embedding_ >= most_embedding || self_->nanos() < owner.embed_after)
    return;
  auto missing = owner.index.without_vector(texts_at_once, owner.unembeddable);
  if (missing.empty())
    return;
  std::vector<std::string> texts;
  std::vector<uint64_t> seqs;
  for (auto* x : missing) {
    texts.push_back(x->text);
    seqs.push_back(x->seq);
  }
  owner.embedding = true;
  ++embedding_;
  auto ctx = self_->services().new_flow(self_->nanos(), 0, priority::background);
  ctx.tenant = tenant_number(key.tenant);
  self_->request(embedder_.provider, caf::infinite, ctx, atom::embed_v, std::move(texts))
      .then([=, this](std::vector<std::vector<float>>& x) { embedded(key, seqs, std::move(x)); },
            [=, this](const caf::error& why) { not_embedded(key, seqs, to_failure(why)); });
}

void shard_state::embedded(const owner_key& key, const std::vector<uint64_t>& seqs,
                           std::vector<std::vector<float>> vectors) {
  --embedding_;
  auto& entry = *owners_.at(key); // never evicted meanwhile
  auto& owner = entry.owner;
  owner.embedding = false;
  store_write out;
  out.what = store_write::kind::embed;
  out.owner = key;
  for (size_t i = 0; i < seqs.size() && i < vectors.size(); ++i) {
    if (!owner.index.set_vector(seqs[i], vectors[i])) {
      owner.unembeddable.insert(seqs[i]); // gone, or of another length
      continue;
    }
    out.memories.emplace_back().seq = seqs[i];
    out.vectors.push_back(std::move(vectors[i]));
  }
  weigh(entry);
  if (owner.doubtful)
    return let_go(key);
  if (out.memories.empty())
    return embed_missing(key, owner);
  // What cannot be stored is asked for again when the owner is loaded the next time.
  send(self_->services().new_flow(self_->nanos(), 0, priority::background), owner, std::move(out),
       [](loaded_owner&, const failure&) {}, {});
}

void shard_state::not_embedded(const owner_key& key, const std::vector<uint64_t>& seqs,
                               const failure& why) {
  --embedding_;
  auto& owner = owners_.at(key)->owner;
  owner.embedding = false;
  if (owner.doubtful)
    return let_go(key);
  // A batcher names the text that it could not do: `input[3]`.
  size_t place = seqs.size();
  constexpr std::string_view before = "input[";
  if (why.param.starts_with(before))
    std::from_chars(why.param.data() + before.size(), why.param.data() + why.param.size(), place);
  auto hopeless = why.code == ec::invalid || why.code == ec::too_large
                  || why.code == ec::upstream_failed || why.code == ec::internal;
  if (hopeless && place < seqs.size()) {
    owner.unembeddable.insert(seqs[place]);
    return embed_missing(key, owner);
  }
  owner.embed_after = self_->nanos() + embed_pause;
}

} // namespace sotto
