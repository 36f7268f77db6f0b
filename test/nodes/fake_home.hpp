#pragma once

#include <memory>

#include <caf/all.hpp>

#include "messages/admission.hpp"
#include "messages/events.hpp"

namespace sotto::test {

struct asked_turn {
  turn_client_actor client;
  uint64_t ticket;
  turn_request request;
};

/// What stands behind a port of the node: the PARTITION of all owners, and ADMISSION. Answers with
/// as little as there is; a test overrides what it is about.
struct fake_home {
  using partition = listened_partition_actor::pointer;
  using admission = admission_actor::pointer;

  virtual ~fake_home() = default;

  virtual caf::result<std::vector<recalled>> recall(partition, const memory_query&) {
    return std::vector<recalled>{};
  }
  virtual memory_receipt remember(memory_write) { return {}; }
  virtual memory_page list(const memory_page_query&) { return {}; }
  virtual bool remove(const owner_key&) { return true; }
  virtual caf::result<forget_receipt> forget(partition, const owner_key& x) {
    return forget_receipt{x, 3, 0};
  }
  virtual caf::result<spoken_receipt> forget(const spoken_by&) { return spoken_receipt{}; }
  virtual void subscribe(const event_client_actor&, const owner_key&, const std::string&,
                         const subscription&) {}

  /// Of ADMISSION.
  virtual void say(admission, const context&, asked_turn) {}
  /// `lost`: nobody is there any more to hear of it.
  virtual void cancel(admission, const context&, const turn_client_actor&, uint64_t, bool) {}
};

inline listened_partition_actor::behavior_type fake_partition(fake_home::partition self,
                                                              std::shared_ptr<fake_home> to) {
  return {
      [=](const context&, atom::recall, const memory_query& x) { return to->recall(self, x); },
      [=](const context&, atom::remember, memory_write& x) { return to->remember(std::move(x)); },
      [=](const context&, atom::list, const memory_page_query& x) { return to->list(x); },
      [=](const context&, atom::remove, const owner_key& x, const std::string&) {
        return to->remove(x);
      },
      [=](const context&, atom::forget, const owner_key& x) { return to->forget(self, x); },
      [=](const context&, atom::forget, const spoken_by& x) { return to->forget(x); },
      // Turns go to ADMISSION.
      [](const context&, atom::say, const turn_client_actor&, uint64_t, const turn_request&) {},
      [](const context&, atom::cancel, const turn_client_actor&, uint64_t, const owner_key&,
         const std::string&, bool) {},
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
      [=](const context&, atom::subscribe, const event_client_actor& who, const owner_key& owner,
          const std::string& conversation,
          const subscription& x) { to->subscribe(who, owner, conversation, x); },
  };
}

inline admission_actor::behavior_type fake_admission(fake_home::admission self,
                                                     std::shared_ptr<fake_home> to) {
  return {
      [=](const context& ctx, atom::say, turn_client_actor& client, uint64_t ticket,
          turn_request& x) {
        to->say(self, ctx, {std::move(client), ticket, std::move(x)});
      },
      [=](const context& ctx, atom::cancel, const turn_client_actor& client, uint64_t ticket,
          const owner_key&, const std::string&,
          bool lost) { to->cancel(self, ctx, client, ticket, lost); },
      [](const context&, atom::settle, uint32_t, uint32_t) { return atom::settled_v; },
      [](const context&, atom::yield, uint64_t) {},
      [](const context&, atom::ended, uint64_t) {},
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
  };
}

} // namespace sotto::test
