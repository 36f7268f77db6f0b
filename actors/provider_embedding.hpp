#pragma once

#include <unordered_map>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>
#include <prometheus/counter.h>

#include "actors/circuit_breaker.hpp"
#include "actors/llm_connection.hpp"
#include "actors/senses.hpp"
#include "config/embedding_options.hpp"
#include "messages/shared_cache.hpp"

namespace sotto {

/// A text that somebody asks for.
struct asked_text {
  std::string text;
  /// `context::tenant`.
  uint64_t tenant = 0;
};

/// Vectors by tenant and text, the least recently used dropped first.
class vector_cache {
public:
  explicit vector_cache(size_t most) : most_(most) {}

  /// Nothing if there is none. Valid until the next change.
  const std::vector<float>* find(const asked_text& what);
  void add(const asked_text& what, std::vector<float> vector);
  size_t size() const { return items_.size(); }

private:
  struct item {
    std::string key;
    std::vector<float> vector;
  };
  using container = boost::multi_index_container<
      item,
      boost::multi_index::indexed_by<boost::multi_index::sequenced<>,
                                     boost::multi_index::hashed_unique<boost::multi_index::member<
                                         item, std::string, &item::key>>>>;

  static std::string key_of(const asked_text& what);

  size_t most_;
  container items_;
};

/// PROVIDER EMBEDDING: asks a provider for vectors. Called by the batchers of EMBEDDING.
using provider_embedding_actor =
    caf::typed_actor<caf::reacts_to<context, atom::run, started_batch>,
                     // Control: of the post `number`, from the reactor.
                     caf::reacts_to<context, atom::request, uint64_t, upstream_event>,
                     // Own timer: try the call `number` again.
                     caf::reacts_to<context, atom::tick, uint64_t>>;

/// Makes a kept-alive connection to the provider.
using link_function = std::function<caf::expected<std::shared_ptr<http_link>>()>;

/// PROVIDER EMBEDDING's state. A batch asks for those of its texts that are neither in the cache
/// nor in the one that nodes share, in one call; what one tenant asked for is in no cache of
/// another's. What may pass (no connection, time-outs, 408, 429,
/// 5xx) is tried again after a pause that doubles, with jitter, and is `ec::unavailable` in the
/// end; while the provider keeps failing a circuit breaker refuses at once. What the provider says
/// of the texts themselves fails the batch, which its batcher then halves.
class provider_embedding_state {
public:
  static inline const char* name = "provider_embedding";

  using self_pointer = actor_of<provider_embedding_actor, provider_embedding_state>*;

  ~provider_embedding_state();

  void init(self_pointer self, embedding_options options, link_function connect,
            shared_cache_actor shared);
  void run(embedding_operation::run job);
  void event(uint64_t number, upstream_event x);
  void again(uint64_t number);

private:
  struct call {
    embedding_operation::run job;
    /// Of the whole batch; what was in the cache is there already.
    embedding_operation::results results;
    /// The texts that are asked for, and their places in the batch.
    std::vector<asked_text> texts;
    std::vector<size_t> places;
    std::shared_ptr<http_link> link;
    http_head head;
    std::string body;
    uint32_t attempts = 0;
  };

  void ask_shared(uint64_t number);
  void found(uint64_t number, const std::vector<std::string>& values);
  void post(uint64_t number, call& x);
  void ended(uint64_t number);
  void failed(uint64_t number, failure why, bool may_pass, int64_t at_least = 0);
  void finish(uint64_t number, std::variant<std::vector<std::vector<float>>, failure> outcome);

  self_pointer self_ = nullptr;
  embedding_options options_;
  link_function connect_;
  shared_cache_actor shared_;
  std::unique_ptr<vector_cache> cache_;
  std::unique_ptr<circuit_breaker> breaker_;
  splitmix jitter_{0};
  std::vector<std::shared_ptr<http_link>> idle_;
  std::unordered_map<uint64_t, call> calls_;
  uint64_t next_ = 1;
  /// Of all vectors; 0 until the first came.
  size_t dimensions_ = 0;
  prometheus::Counter* hits_ = nullptr;
  prometheus::Counter* misses_ = nullptr;
  prometheus::Counter* posts_ = nullptr;
  prometheus::Counter* failures_ = nullptr;
};

provider_embedding_actor::behavior_type
provider_embedding(actor_of<provider_embedding_actor, provider_embedding_state>* self,
                   embedding_options options, link_function connect, shared_cache_actor shared);

/// What EMBEDDING does with a provider.
embedding_operation embedding_work(const embedding_options& options,
                                   provider_embedding_actor provider);

} // namespace sotto
