#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/timespan.hpp>

namespace sotto {

/// Who answers: a client's `model`.
struct persona_options {
  std::string name = "companion";
  std::string system_prompt = "You are a warm, attentive companion. You remember what the person "
                              "told you and speak plainly and kindly.";
  /// Overrides the model of the deployment; empty means the deployment's own.
  std::string model;
  /// 0 to 2; negative leaves it to the provider.
  double temperature = -1;
  /// Deployments in order of preference; none means the builtin responder.
  std::vector<std::string> llm;
  /// After so long a silence the persona speaks of its own accord to whoever listens for it; 0:
  /// never.
  caf::timespan proactive_after{0};
  /// How often it may do so within an hour, in one conversation.
  uint32_t proactive_per_hour = 1;
};

} // namespace sotto
