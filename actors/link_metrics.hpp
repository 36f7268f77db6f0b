#pragma once

#include <array>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "messages/context.hpp"

namespace sotto {

/// What LINKs publish of one peer. Instruments stay when the peer leaves the cluster: a name that
/// comes back goes on with them.
struct link_metrics {
  link_metrics(prometheus::Registry& to, const std::string& peer) {
    auto gauge = [&](const char* name, const char* help) -> prometheus::Gauge* {
      return &prometheus::BuildGauge().Name(name).Help(help).Register(to).Add({{"peer", peer}});
    };
    up = gauge("sotto_link_up", "Whether the peer is linked: 1 or 0");
    heard = gauge("sotto_link_heard_timestamp_seconds", "When frames came from the peer last");
    asked = gauge("sotto_link_in_flight", "Calls to the peer that are not answered yet");
    served = gauge("sotto_link_serving", "Calls of the peer that are not answered yet");
    auto& waits = prometheus::BuildGauge()
                      .Name("sotto_link_waiting")
                      .Help("Frames that wait for the peer to take them, by level")
                      .Register(to);
    for (size_t i = 0; i < priority_levels; ++i)
      waiting[i] =
          &waits.Add({{"peer", peer}, {"level", std::string{to_string(static_cast<priority>(i))}}});
    refused = &prometheus::BuildCounter()
                   .Name("sotto_link_refused_total")
                   .Help("Frames that there was no room for")
                   .Register(to)
                   .Add({{"peer", peer}});
    auto both = [&](const char* name, const char* help) {
      auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(to);
      return directions{&family.Add({{"peer", peer}, {"direction", "out"}}),
                        &family.Add({{"peer", peer}, {"direction", "in"}})};
    };
    frames = both("sotto_link_frames_total", "Frames to and from the peer");
    bytes = both("sotto_link_bytes_total", "Bytes of their contents");
    moved = both("sotto_link_moved_total",
                 "Answers that a partition is not here, given to the peer and got from it");
    answer = &prometheus::BuildHistogram()
                  .Name("sotto_link_answer_seconds")
                  .Help("Time from sending a call to the first of its answer")
                  .Register(to)
                  .Add({{"peer", peer}},
                       prometheus::Histogram::BucketBoundaries{
                           0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30});
  }

  struct directions {
    prometheus::Counter *out = nullptr, *in = nullptr;
  };

  prometheus::Gauge *up, *heard, *asked, *served;
  std::array<prometheus::Gauge*, priority_levels> waiting{};
  prometheus::Counter* refused;
  directions frames, bytes, moved;
  prometheus::Histogram* answer;
};

} // namespace sotto
