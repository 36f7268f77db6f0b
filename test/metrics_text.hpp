#pragma once

#include <string>

#include "runtime/base_actor.hpp"

namespace sotto::test {

/// A line a metric: name/label/...=value, without its fraction.
inline std::string metrics_of(const node_services& services) {
  std::string text;
  for (auto& family : services.metrics.Collect())
    for (auto& x : family.metric) {
      text += family.name;
      for (auto& label : x.label)
        text += "/" + label.value;
      text += "=" + std::to_string(static_cast<int>(x.counter.value + x.gauge.value)) + "\n";
    }
  return text;
}

} // namespace sotto::test
