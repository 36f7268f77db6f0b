#include "nodes/node_senses.hpp"

#include <spdlog/spdlog.h>

#include "actors/analysers.hpp"
#include "actors/shared_cache.hpp"
#include "config/load.hpp"
#include "nodes/openai_api.hpp"
#include "nodes/work_lanes.hpp"

namespace sotto {

namespace {

/// The configured bounds of batches.
template <class Operation>
Operation limited(Operation what, const work_options& x) {
  // About what a message to oneself and a place in a queue cost.
  constexpr int64_t light = 20'000;
  what.limits = {x.max_items, x.min_items, x.max_window.count(), light};
  what.queue.bound = x.max_items_waiting;
  return what;
}

/// Nobody where none is configured.
shared_cache_actor shared_cache_of(node_frame& in) {
  auto to = parse_redis_url(in.with.cache.url);
  if (!to)
    return {};
  return in.keep(in.system->spawn<caf::detached>(shared_cache, in.with.cache, std::move(*to)));
}

} // namespace

void node_senses::load(const options& with) {
  auto folder = find_data_files(with);
  if (auto x = emotion_engine::load(folder + "/emotion.bin"))
    emotion_engine_ = std::move(*x);
  else
    spdlog::warn("node runs without emotion: {}", to_failure(x.error()).message);
  if (auto x = sentence_embedder::load(folder + "/words.bin"))
    embedder_ = std::move(*x);
  else
    spdlog::warn("node recalls by words alone: {}", to_failure(x.error()).message);
  if (embedder_ && !with.embedding.provider())
    embed_ = [x = embedder_](std::string_view text) { return x->embed(text); };
}

embedding_operation node_senses::embedding_operation_of(node_frame& in) {
  if (!in.with.embedding.provider())
    return limited(embedding_work(embedder_), in.with.work);
  if (!provider_) {
    auto link = in.with.embedding.link();
    auto connect = [&sockets = in.sockets, link]() -> caf::expected<std::shared_ptr<http_link>> {
      auto server = parse_url(link.base_url);
      if (!server)
        return server.error();
      return make_http_link(sockets, *server, link.ca_file);
    };
    provider_ = in.keep(in.system->spawn(provider_embedding, in.with.embedding,
                                         link_function{std::move(connect)}, shared_cache_of(in)));
  }
  auto what = embedding_work(in.with.embedding, provider_);
  what.queue.bound = in.with.work.max_items_waiting;
  return what;
}

void node_senses::start(node_frame& in, const std::shared_ptr<const work_places>& places,
                        gateway_handles& to) {
  auto count = [&](uint32_t wanted) { return wanted != 0 ? wanted : worker_count(in.with); };
  auto feel = limited(emotion_work(emotion_engine_), in.with.work);
  feel.write = emotion_items;
  for (uint32_t i = 0; i < count(in.with.senses.emotion_actors); ++i)
    emotions_.push_back(in.keep(in.system->spawn(emotion, feel, places)));
  for (uint32_t i = 0; i < count(in.with.senses.embedding_actors); ++i)
    embeddings_.push_back(in.keep(in.system->spawn(embedding, embedding_operation_of(in), places)));
  to.emotion = emotions_.back();
  to.emotions = emotions_;
  to.embedding = embeddings_.back();
  to.embeds_elsewhere = in.with.embedding.provider();
}

std::shared_ptr<const session_parts>
node_senses::parts(node_frame& in, const std::shared_ptr<const work_places>& places,
                   const gateway_handles& to, std::shared_ptr<memory_account> memory,
                   uint32_t i) const {
  auto parts = std::make_shared<session_parts>();
  parts->memory = std::move(memory);
  parts->options = in.with.session;
  parts->admission = in.with.admission;
  parts->load = to.load;
  for (auto& x : in.with.personas)
    parts->personas[x.name] = x;
  parts->emotion = emotions_[i % emotions_.size()];
  parts->topics = in.keep(in.system->spawn(analyser, limited(topics_work(), in.with.work), places));
  for (auto& what : custom_analysers()) {
    auto name = what.name;
    parts->analysers.emplace_back(
        name, in.keep(in.system->spawn(analyser, limited(std::move(what), in.with.work), places)));
  }
  parts->embedding = embeddings_[i % embeddings_.size()];
  parts->llm = to.llm;
  return parts;
}

shard_embedder node_senses::embedder() const {
  return provider_ ? shard_embedder{embeddings_.front()} : shard_embedder{embed_};
}

void node_senses::stop() {
  emotions_.clear();
  embeddings_.clear();
  provider_ = provider_embedding_actor{};
}

} // namespace sotto
