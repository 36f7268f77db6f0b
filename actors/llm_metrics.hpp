#pragma once

#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace sotto {

/// What LLM SCHEDULER publishes. `outcome` is `completed`, `failed`, `refused` or `cancelled`.
class llm_metrics {
public:
  explicit llm_metrics(prometheus::Registry& to)
      : requests_(prometheus::BuildCounter()
                      .Name("sotto_llm_requests_total")
                      .Help("Generations by deployment and outcome")
                      .Register(to)),
        seconds_(prometheus::BuildHistogram()
                     .Name("sotto_llm_seconds")
                     .Help("Time from arrival to the end of a generation")
                     .Register(to)),
        running_(prometheus::BuildGauge()
                     .Name("sotto_llm_running")
                     .Help("Generations under way at a deployment")
                     .Register(to)),
        waiting_(prometheus::BuildGauge()
                     .Name("sotto_llm_waiting")
                     .Help("Generations that wait for a deployment")
                     .Register(to)),
        breaker_(prometheus::BuildGauge()
                     .Name("sotto_llm_breaker")
                     .Help("Circuit breaker of a deployment: 0 closed, 1 half open, 2 open")
                     .Register(to)),
        saved_(prometheus::BuildCounter()
                   .Name("sotto_llm_saved_calls_total")
                   .Help("Generations that joined an equal one under way")
                   .Register(to)
                   .Add({})) {}

  void ended(const std::string& deployment, const std::string& outcome, double seconds) {
    requests_.Add({{"deployment", deployment}, {"outcome", outcome}}).Increment();
    seconds_
        .Add({{"deployment", deployment}},
             prometheus::Histogram::BucketBoundaries{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60})
        .Observe(seconds);
  }

  void saved() { saved_.Increment(); }

  void depth(const std::string& deployment, size_t running, size_t waiting, int breaker) {
    running_.Add({{"deployment", deployment}}).Set(static_cast<double>(running));
    waiting_.Add({{"deployment", deployment}}).Set(static_cast<double>(waiting));
    breaker_.Add({{"deployment", deployment}}).Set(breaker);
  }

private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Gauge>& running_;
  prometheus::Family<prometheus::Gauge>& waiting_;
  prometheus::Family<prometheus::Gauge>& breaker_;
  prometheus::Counter& saved_;
};

} // namespace sotto
