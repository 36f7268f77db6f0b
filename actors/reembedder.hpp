#pragma once

#include <functional>
#include <optional>

#include "actors/reembed_pass.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// Who keeps an owner's memories.
using home_function = std::function<memory_actor(const owner_key&)>;

/// REEMBEDDER's state. It wakes the owners who lack vectors, a page of them at a time and behind
/// everything else: a SHARD that loads an owner asks the provider for what is missing. What was
/// done is in the store, so a pass that was cut short is taken up by the next.
class reembedder_state {
public:
  static inline const char* name = "reembedder";

  using self_pointer = actor_of<reembed_actor, reembedder_state>*;

  void init(self_pointer self, owner_list_actor owners, home_function home);

  reembed_progress start();
  reembed_progress progress() const { return pass_ ? pass_->progress() : reembed_progress{}; }
  /// Looks at the page.
  void look();

private:
  void wake(const std::vector<owner_key>& owners);

  self_pointer self_ = nullptr;
  owner_list_actor owners_;
  home_function home_;
  std::optional<reembed_pass> pass_;
  /// Until the page is looked at again.
  caf::timespan wait_{};
};

reembed_actor::behavior_type reembedder(actor_of<reembed_actor, reembedder_state>* self,
                                        owner_list_actor owners, home_function home);

} // namespace sotto
