#pragma once

#include <functional>

#include <caf/allowed_unsafe_message_type.hpp>

#include "messages/error.hpp"

namespace sotto {

/// A piece of work for whoever has a thread to run it. Stays within the process. Exactly one of the
/// two is called, once, on any thread; neither may throw.
struct work_job {
  std::function<void()> run;
  std::function<void(const failure&)> refuse;
};

} // namespace sotto

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::work_job)
