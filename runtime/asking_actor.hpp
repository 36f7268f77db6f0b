#pragma once

#include <unordered_map>

#include "runtime/base_actor.hpp"

namespace sotto {

/// An actor with many requests under way, of messages that are only known at run time. CAF looks
/// answers up in a list; this one in a hash map.
template <class Base>
class asking_actor : public base_actor<Base> {
public:
  using base_actor<Base>::base_actor;

  /// Sends `what` as a request; `answered` gets the answer under `ticket`, an error as a message of
  /// one `caf::error`. There is no time-out, and no answer from an actor that forgets to: whoever
  /// waits no longer says so by `forget` with what this returns.
  uint64_t ask(const caf::strong_actor_ptr& to, uint64_t ticket, caf::message what) {
    auto id = this->new_request_id(caf::message_priority::normal);
    auto key = id.response_id().integer_value();
    asked_.emplace(key, ticket);
    to->enqueue(caf::strong_actor_ptr{this->ctrl()}, id, std::move(what), this->context());
    return key;
  }

  void forget(uint64_t key) { asked_.erase(key); }

  caf::invoke_message_result consume(caf::mailbox_element& x) override {
    if (!x.mid.is_response())
      return base_actor<Base>::consume(x);
    auto at = asked_.find(x.mid.integer_value());
    if (at == asked_.end())
      return base_actor<Base>::consume(x);
    auto ticket = at->second;
    asked_.erase(at);
    answered(ticket, x.move_content_to_message());
    return caf::invoke_message_result::consumed;
  }

  std::function<void(uint64_t ticket, caf::message)> answered;

private:
  std::unordered_map<uint64_t, uint64_t> asked_;
};

} // namespace sotto
