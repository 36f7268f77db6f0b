#pragma once

#include <string>
#include <vector>

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
};

} // namespace sotto
