#include <array>

#include "config/load.hpp"

namespace sotto {

namespace {

struct profile {
  const char* name;
  const char* text;
};

/// What differs from the defaults, and why.
constexpr std::array<profile, 4> profiles{{
    {"standard", R"(# One node for a bot or a few: the defaults.
)"},
    {"production", R"(# A server of its own with many users: logs for programs, more room.
[log]
format = "json"
[node]
drain_timeout = "30s"
[gateway]
max_connections = 50000
[store]
cache_kib = 131072
checkpoint_bytes = "32MiB"
restart_bytes = "256MiB"
[shard]
max_bytes = "64MiB"
[llm]
max_waiting = 8192
builtin_fallback = true
[trace]
sample = 0.01
)"},
    {"desktop", R"(# Beside other programs on somebody's own machine: little memory, few threads.
[node]
workers = 2
drain_timeout = "5s"
[gateway]
max_connections = 64
max_body = "4MiB"
[store]
cache_kib = 4096
[shard]
max_bytes = "1MiB"
[llm]
max_waiting = 16
[session]
idle_timeout = "5m"
[senses]
emotion_actors = 1
embedding_actors = 1
[trace]
sample = 1.0
capacity = 16384
)"},
    {"hybrid",
     R"(# Models partly here and partly with a provider: give the slow local ones time, go on to
# the next deployment early when one fails, and answer without any when all do.
[session]
turn_timeout = "3m"
[gateway]
idle_timeout = "5m"
[llm]
builtin_fallback = true
breaker_failures = 2
breaker_pause = "5s"
breaker_longest_pause = "5m"
)"},
}};

} // namespace

const std::vector<std::string>& profile_names() {
  static const auto names = [] {
    std::vector<std::string> out;
    for (auto& x : profiles)
      out.emplace_back(x.name);
    return out;
  }();
  return names;
}

const char* profile_text(std::string_view name) {
  for (auto& x : profiles)
    if (name == x.name)
      return x.text;
  return nullptr;
}

} // namespace sotto
