#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <caf/expected.hpp>

#include "config/cache_options.hpp"
#include "messages/error.hpp"

struct redisContext;

namespace sotto {

/// A connection to Redis, made when it is needed. Every call blocks for at most the options' time a
/// step; after a failure the connection is closed, and the next call makes another. Used by one
/// thread at a time.
class redis_client {
public:
  redis_client(redis_address to, caf::timespan timeout) : to_(std::move(to)), timeout_(timeout) {}

  /// As many values as keys, in order; empty ones where there is none.
  caf::expected<std::vector<std::string>> load(std::span<const std::string> keys);

  /// Keeps the values for so long.
  failure keep(std::span<const std::string> keys, std::span<const std::string> values,
               caf::timespan ttl);

private:
  struct close {
    void operator()(redisContext* x) const;
  };

  failure connect();
  failure command(std::vector<std::string> words);
  failure broken(const std::string& what);

  redis_address to_;
  caf::timespan timeout_;
  std::unique_ptr<redisContext, close> db_;
};

} // namespace sotto
