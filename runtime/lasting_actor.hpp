#pragma once

#include <functional>

#include "runtime/base_actor.hpp"

namespace sotto {

/// An actor that goes on where a handler of its throws: one that keeps what others told it once, or
/// what others count on, and that nobody could start anew. Its handlers leave nobody untold who
/// waits
/// (`waiting_client`); what they may leave half counted, `mend` counts anew.
template <class Base>
class lasting_actor : public base_actor<Base> {
public:
  using base_actor<Base>::base_actor;

  /// Puts the state in order after a handler threw. Where that fails too the actor ends.
  std::function<void()> mend;

  /// Does one of several things of a handler: where it throws, that is counted and logged, and the
  /// handler goes on with the others.
  template <class F>
  void attempt(F what) {
    try {
      what();
    } catch (...) {
      note_failure(this->services(), this->name(), 0);
    }
  }

protected:
  bool mended() override {
    if (!mend)
      return false;
    try {
      mend();
      return true;
    } catch (...) {
      note_failure(this->services(), this->name(), 0);
      return false;
    }
  }
};

/// As `actor_of`, one that lasts.
template <class Handle, class State>
using lasting_actor_of = caf::stateful_actor<State, lasting_actor<typename Handle::base>>;

} // namespace sotto
