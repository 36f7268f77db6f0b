#pragma once

#include <functional>

#include <caf/allowed_unsafe_message_type.hpp>

#include "messages/error.hpp"

namespace sotto {

/// A piece of work for whoever has a thread to run it. Stays within the process. Exactly one of the
/// first two is called, once, on any thread; none may throw.
struct work_job {
  std::function<void()> run;
  std::function<void(const failure&)> refuse;
  /// Asked before it is begun, with the actor clock's time: whether nobody waits for it any more.
  /// Then it is refused with `ec::timeout`. May be empty.
  std::function<bool(int64_t now)> unwanted{};
};

} // namespace sotto

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::work_job)
