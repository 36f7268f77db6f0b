#pragma once

#include "messages/events.hpp"

namespace sotto::test {

/// What stands for a PARTITION, or for who has its interface: answers with as little as there is.
/// `say` gets the turns; `more` is what else an `Actor` hears.
template <class Actor, class Say, class... More>
typename Actor::behavior_type quiet_partition(Say say, More... more) {
  return {
      [](const context&, atom::recall, const memory_query&) { return std::vector<recalled>{}; },
      [](const context&, atom::remember, const memory_write&) { return memory_receipt{}; },
      [](const context&, atom::list, const memory_page_query&) { return memory_page{}; },
      [](const context&, atom::remove, const owner_key&, const std::string&) { return false; },
      [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
      [](const context&, atom::forget, const owner_key&) { return forget_receipt{}; },
      [say](const context&, atom::say, const turn_client_actor&, uint64_t, const turn_request& x) {
        say(x);
      },
      [](const context&, atom::cancel, const turn_client_actor&, uint64_t, const owner_key&,
         const std::string&, bool) {},
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
      [](const context&, atom::subscribe, const event_client_actor&, const owner_key&,
         const std::string&, const subscription&) {},
      std::move(more)...,
  };
}

} // namespace sotto::test
