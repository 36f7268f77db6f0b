#pragma once

#include "config/llm_options.hpp"

namespace sotto {

/// Who embeds texts: the built-in sentence embedder, or a provider that speaks OpenAI's
/// `/v1/embeddings`.
struct embedding_options {
  /// With the version, without a final slash; empty: the built-in embedder.
  std::string base_url;
  /// The provider's name of the model.
  std::string model;
  std::string api_key_env;
  std::string api_key_file;
  std::string ca_file;
  /// Asked of the provider and checked; 0: whatever the model has.
  uint32_t dimensions = 0;
  /// Most texts in one call, and most calls at a time.
  uint32_t max_batch = 32;
  uint32_t max_in_flight = 4;
  /// Longest time of one call.
  caf::timespan timeout = std::chrono::seconds{10};
  /// A call that failed for a reason that may pass is made so many times more.
  uint32_t retries = 2;
  /// Vectors kept in memory, by tenant and text.
  size_t cache = 20'000;

  bool provider() const { return !base_url.empty(); }

  /// What tells vectors that can be compared from others.
  std::string space() const {
    return provider() ? base_url + '|' + model + '|' + std::to_string(dimensions) : "";
  }

  /// The provider as connections know it.
  llm_deployment link() const {
    llm_deployment x;
    x.name = "embedding";
    x.base_url = base_url;
    x.model = model;
    x.api_key_env = api_key_env;
    x.api_key_file = api_key_file;
    x.ca_file = ca_file;
    x.timeout = timeout;
    return x;
  }
};

} // namespace sotto
