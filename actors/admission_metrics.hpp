#pragma once

#include <array>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "runtime/node_load.hpp"

namespace sotto {

/// What ADMISSION publishes; all instruments are made at start. May be used from any thread.
class admission_metrics {
public:
  /// How a turn left the queue; `early` is a refusal before the request was read whole, `moved`
  /// with its partition.
  enum class way : uint8_t { served, refused, early, late, cancelled, moved };

  explicit admission_metrics(prometheus::Registry& to)
      : running_(gauge(to, "sotto_admission_running", "Turns that hold a slot")),
        yielded_(gauge(to, "sotto_admission_yielded", "Turns that wait for a provider")),
        tenants_(gauge(to, "sotto_admission_tenants", "Tenants served in the last second")),
        fairness_(gauge(to, "sotto_admission_fairness",
                        "Jain's index of what tenants got in the last second: 1 is equal")),
        largest_(gauge(to, "sotto_admission_largest_tenant_share",
                       "Share of the services in the last second that one tenant got")),
        lost_(prometheus::BuildCounter()
                  .Name("sotto_admission_lost_total")
                  .Help("Turns whose end was never told")
                  .Register(to)
                  .Add({})),
        step_(gauge(to, "sotto_overload_step",
                    "0 normal, 1 fewer_memories, 2 cached_context, "
                    "3 no_analysers, 4 builtin_responder, 5 refuse")),
        wait_(gauge(to, "sotto_overload_wait_seconds", "Wait of the standing queue")),
        cpu_(gauge(to, "sotto_overload_cpu", "Share of its cores that the process uses")),
        rate_(gauge(to, "sotto_admission_rate", "Turns served in a second while some wait")) {
    auto& turns = prometheus::BuildCounter()
                      .Name("sotto_admission_turns_total")
                      .Help("Turns by level and how they left the queue")
                      .Register(to);
    auto& waits = prometheus::BuildHistogram()
                      .Name("sotto_admission_wait_seconds")
                      .Help("Time from arrival until a turn may run")
                      .Register(to);
    auto& waiting = prometheus::BuildGauge()
                        .Name("sotto_admission_waiting")
                        .Help("Turns that wait for a slot")
                        .Register(to);
    auto& shares = prometheus::BuildGauge()
                       .Name("sotto_admission_share")
                       .Help("Share of the services in the last second, by level")
                       .Register(to);
    prometheus::Histogram::BucketBoundaries bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                   0.25,  0.5,    1,     2.5,  5,     15,   60};
    static constexpr std::array<const char*, ways> names{"served", "refused",   "early",
                                                         "late",   "cancelled", "moved"};
    for (size_t i = 0; i < priority_levels; ++i) {
      std::string level{to_string(static_cast<priority>(i))};
      for (size_t w = 0; w < ways; ++w)
        turns_[i][w] = &turns.Add({{"level", level}, {"outcome", names[w]}});
      waits_[i] = &waits.Add({{"level", level}}, bounds);
      waiting_[i] = &waiting.Add({{"level", level}});
      shares_[i] = &shares.Add({{"level", level}});
    }
  }

  void left(priority level, way how) {
    turns_[static_cast<size_t>(level)][static_cast<size_t>(how)]->Increment();
  }

  void served(priority level, double wait) {
    left(level, way::served);
    waits_[static_cast<size_t>(level)]->Observe(wait);
  }

  void lost() { lost_.Increment(); }

  void depth(size_t running, size_t yielded) {
    running_.Set(static_cast<double>(running));
    yielded_.Set(static_cast<double>(yielded));
  }
  void waiting(priority level, size_t count) {
    waiting_[static_cast<size_t>(level)]->Set(static_cast<double>(count));
  }
  void share(priority level, double x) { shares_[static_cast<size_t>(level)]->Set(x); }
  void tenants(size_t count, double fairness, double largest) {
    tenants_.Set(static_cast<double>(count));
    fairness_.Set(fairness);
    largest_.Set(largest);
  }
  void overload(overload_step step, double wait, double cpu, double rate) {
    step_.Set(static_cast<double>(step));
    wait_.Set(wait);
    cpu_.Set(cpu);
    rate_.Set(rate);
  }

private:
  static constexpr size_t ways = 6;

  static prometheus::Gauge& gauge(prometheus::Registry& to, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(to).Add({});
  }

  prometheus::Gauge &running_, &yielded_, &tenants_, &fairness_, &largest_;
  prometheus::Counter& lost_;
  prometheus::Gauge &step_, &wait_, &cpu_, &rate_;
  std::array<std::array<prometheus::Counter*, ways>, priority_levels> turns_{};
  std::array<prometheus::Histogram*, priority_levels> waits_{};
  std::array<prometheus::Gauge*, priority_levels> waiting_{};
  std::array<prometheus::Gauge*, priority_levels> shares_{};
};

} // namespace sotto
