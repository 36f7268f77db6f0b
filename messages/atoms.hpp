#pragma once

#include <caf/atom.hpp>

/// The verbs of our protocols. A text holds at most ten characters.
namespace sotto::atom {

// NOLINTBEGIN(bugprone-macro-parentheses): a declared name cannot stand in parentheses
#define SOTTO_ATOM(name)                                                                           \
  using name = caf::atom_constant<caf::atom(#name)>;                                               \
  inline constexpr name name##_v {}
// NOLINTEND(bugprone-macro-parentheses)

SOTTO_ATOM(analyse);
SOTTO_ATOM(cancel);
SOTTO_ATOM(committed);
SOTTO_ATOM(completed);
SOTTO_ATOM(drain);
SOTTO_ATOM(drained);
SOTTO_ATOM(embed);
SOTTO_ATOM(failed);
SOTTO_ATOM(forget);
SOTTO_ATOM(frame);
SOTTO_ATOM(generate);
SOTTO_ATOM(journal);
SOTTO_ATOM(list);
SOTTO_ATOM(load);
SOTTO_ATOM(loaded);
SOTTO_ATOM(passivate);
SOTTO_ATOM(recall);
SOTTO_ATOM(recent);
SOTTO_ATOM(remember);
SOTTO_ATOM(remove);
SOTTO_ATOM(request);
SOTTO_ATOM(resumed);
SOTTO_ATOM(run);
SOTTO_ATOM(say);
SOTTO_ATOM(summarise);
SOTTO_ATOM(tick);
SOTTO_ATOM(token);
SOTTO_ATOM(upgrade);
SOTTO_ATOM(write);

#undef SOTTO_ATOM

} // namespace sotto::atom
