#pragma once

#include <string>
#include <vector>

#include <caf/meta/type_name.hpp>

namespace sotto {

/// One emotion found in a text, with its intensity from 0 to 1.
struct felt {
  std::string category;
  float intensity = 0;
};

/// What EMOTION reads from one text.
struct emotion_reading {
  /// VADER's shares, 0 to 1 (three decimals), and compound, -1 to 1 (four decimals); Hutto and
  /// Gilbert, 2014.
  double neg = 0;
  double neu = 0;
  double pos = 0;
  double compound = 0;
  /// The strongest category, or `neutral`.
  std::string primary = "neutral";
  /// All from 0 to 1, except valence, which is -1 to 1.
  float intensity = 0;
  float confidence = 0;
  float valence = 0;
  float arousal = 0.5F;
  float dominance = 0.5F;
  /// Every category found, strongest first.
  std::vector<felt> mixed;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, felt& x) {
  return f(caf::meta::type_name("felt"), x.category, x.intensity);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, emotion_reading& x) {
  return f(caf::meta::type_name("emotion_reading"), x.neg, x.neu, x.pos, x.compound, x.primary,
           x.intensity, x.confidence, x.valence, x.arousal, x.dominance, x.mixed);
}

} // namespace sotto
