#pragma once

#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace sotto {

/// What LLM ROUTE publishes. `outcome` is `completed`, `failed`, `cancelled`, or `moved`: the node
/// could not, and another is tried.
class llm_route_metrics {
public:
  explicit llm_route_metrics(prometheus::Registry& to)
      : ended_(prometheus::BuildCounter()
                   .Name("sotto_llm_route_total")
                   .Help("Generations that were given to other nodes, by node and outcome")
                   .Register(to)),
        held_(prometheus::BuildGauge()
                  .Name("sotto_llm_route_held")
                  .Help("Generations that wait until a node with the role llm can be reached")
                  .Register(to)
                  .Add({})),
        refused_(prometheus::BuildCounter()
                     .Name("sotto_llm_route_refused_total")
                     .Help("Generations that no node with the role llm could take")
                     .Register(to)
                     .Add({})) {}

  void ended(const std::string& node, const char* outcome) {
    ended_.Add({{"node", node}, {"outcome", outcome}}).Increment();
  }
  void held(size_t count) { held_.Set(static_cast<double>(count)); }
  void refused() { refused_.Increment(); }

private:
  prometheus::Family<prometheus::Counter>& ended_;
  prometheus::Gauge& held_;
  prometheus::Counter& refused_;
};

} // namespace sotto
