#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// One OpenAI-compatible provider and the model it is asked for.
struct llm_deployment {
  /// Unique; personas and `model` of pass-through requests use it.
  std::string name;
  /// With the version, without a final slash: `https://api.openai.com/v1`.
  std::string base_url;
  /// The provider's name of the model.
  std::string model;
  /// Environment variable that holds the key, or file that does; at most one, none for no key.
  std::string api_key_env;
  std::string api_key_file;
  /// PEM file of certificate authorities trusted besides the system's.
  std::string ca_file;
  /// Most generations under way at a time.
  uint32_t max_concurrency = 64;
  /// Longest wait for a connection (name, TCP and TLS), for the head of the answer, between two
  /// pieces of it, and for the whole.
  caf::timespan connect_timeout = std::chrono::seconds{5};
  caf::timespan header_timeout = std::chrono::seconds{60};
  caf::timespan idle_timeout = std::chrono::seconds{30};
  caf::timespan timeout = std::chrono::seconds{120};
};

/// How LLM SCHEDULER shares deployments among generations.
struct llm_options {
  std::vector<llm_deployment> deployments;
  /// Generations that may wait; more are refused with 429.
  size_t max_waiting = 1024;
  /// Let the builtin responder answer when every deployment failed.
  bool builtin_fallback = false;
  /// Failures in a row after which a deployment is left alone for a while.
  uint32_t breaker_failures = 5;
  /// The first such pause; doubled with every further failure up to the longest.
  caf::timespan breaker_pause = std::chrono::seconds{1};
  caf::timespan breaker_longest_pause = std::chrono::minutes{1};
  /// A kept-alive connection without work for this long is closed.
  caf::timespan connection_idle_timeout = std::chrono::seconds{60};
};

} // namespace sotto
