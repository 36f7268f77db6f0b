#pragma once

#include <memory>

#include <prometheus/counter.h>

#include "config/cache_options.hpp"
#include "messages/shared_cache.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/redis.hpp"

namespace sotto {

/// SHARED CACHE's state: a Redis that may be gone at any time. After a failure it is left alone for
/// a while, so that whoever asks does not wait for it again and again. Spawn it detached: it
/// blocks.
class shared_cache_state {
public:
  static inline const char* name = "shared_cache";

  using self_pointer = actor_of<shared_cache_actor, shared_cache_state>*;

  void init(self_pointer self, cache_options with, redis_address to);

  std::vector<std::string> load(std::vector<std::string> keys);
  void keep(std::vector<std::string> keys, const std::vector<std::string>& values);

private:
  bool away() const;
  void failed(const failure& why);
  void prefixed(std::vector<std::string>& keys) const;

  self_pointer self_ = nullptr;
  cache_options with_;
  std::unique_ptr<redis_client> redis_;
  /// Not asked before this time (monotonic nanoseconds).
  int64_t again_ = 0;
  bool down_ = false;
  prometheus::Counter* hits_ = nullptr;
  prometheus::Counter* misses_ = nullptr;
  prometheus::Counter* failures_ = nullptr;
};

shared_cache_actor::behavior_type
shared_cache(actor_of<shared_cache_actor, shared_cache_state>* self, cache_options with,
             redis_address to);

} // namespace sotto
