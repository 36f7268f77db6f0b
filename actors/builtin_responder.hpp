#pragma once

#include <string>

#include "messages/turn.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// The reply of the builtin responder: acknowledges the mood, answers questions from what was
/// recalled, and says so where nothing was. Plain rules; the same input always gives the same
/// words, and different inputs different ones. Not a language model and never says it is one.
std::string compose_reply(const generation& ask);

/// A finished generation of the builtin responder. `usage` counts words.
completion respond(const generation& ask);

struct builtin_state {
  static inline const char* name = "builtin";
};

/// BUILTIN: answers at once, from what is recalled and felt. Streams the reply word by word.
llm_actor::behavior_type builtin(actor_of<llm_actor, builtin_state>* self);

} // namespace sotto
