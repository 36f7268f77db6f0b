#pragma once

#include <array>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace sotto {

/// The routes as metrics name them.
enum class route : uint8_t {
  chat,
  models,
  embeddings,
  emotions,
  memories,
  plain_chat,
  health,
  other
};

inline constexpr std::array<const char*, 8> route_names{
    "chat", "models", "embeddings", "emotions", "memories", "plain_chat", "health", "other"};

/// Requests and their time from the first byte read to the answer handed to the socket. All
/// instruments are made at start, so that counting one takes no look-up.
class gateway_metrics {
public:
  explicit gateway_metrics(prometheus::Registry& to) {
    auto& requests = prometheus::BuildCounter()
                         .Name("sotto_http_requests_total")
                         .Help("HTTP requests by route and class of status")
                         .Register(to);
    auto& seconds = prometheus::BuildHistogram()
                        .Name("sotto_http_seconds")
                        .Help("Time from the first byte of a request to its answer")
                        .Register(to);
    auto& events = prometheus::BuildCounter()
                       .Name("sotto_events_total")
                       .Help("Events of conversations to frontends")
                       .Register(to);
    events_ = {&events.Add({{"outcome", "sent"}}), &events.Add({{"outcome", "dropped"}})};
    prometheus::Histogram::BucketBoundaries bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                   0.1,    0.25,  0.5,    1,     5,    30};
    for (size_t i = 0; i < route_names.size(); ++i) {
      for (size_t c = 0; c < classes.size(); ++c)
        counters_[i][c] = &requests.Add({{"route", route_names[i]}, {"status", classes[c]}});
      seconds_[i] = &seconds.Add({{"route", route_names[i]}}, bounds);
    }
  }

  /// An event of a conversation reached its socket, or was dropped because too much waits there.
  void event(bool sent) { events_[sent ? 0 : 1]->Increment(); }

  void answered(route on, unsigned status, double seconds) {
    auto i = static_cast<size_t>(on);
    auto c = status < 300 ? size_t{0} : status < 500 ? size_t{1} : size_t{2};
    counters_[i][c]->Increment();
    seconds_[i]->Observe(seconds);
  }

private:
  static constexpr std::array<const char*, 3> classes{"2xx", "4xx", "5xx"};

  std::array<std::array<prometheus::Counter*, 3>, 8> counters_{};
  std::array<prometheus::Histogram*, 8> seconds_{};
  std::array<prometheus::Counter*, 2> events_{};
};

} // namespace sotto
