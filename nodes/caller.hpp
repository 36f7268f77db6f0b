#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "messages/context.hpp"
#include "messages/error.hpp"
#include "runtime/rate_bucket.hpp"

namespace sotto {

/// The tenant of everybody where no key is asked for.
inline constexpr auto default_tenant = "default";

/// On whose behalf a call is made, and what it may do.
struct caller {
  std::string tenant = default_tenant;
  /// Id of the key; empty where none was asked for.
  std::string key;
  /// The most important level the calls may have.
  priority ceiling = priority::critical;
  bool admin = false;
  /// Requests a second; shared by all sockets of the key. None: no limit.
  std::shared_ptr<rate_bucket> rate;

  /// The level that a call gets which asked for `wanted`.
  priority allowed(priority wanted) const { return std::max(wanted, ceiling); }

  /// Counts one call at `now` (nanoseconds of one clock); why it may not be made, if its key has
  /// made too many.
  failure over_rate(int64_t now) const;
};

} // namespace sotto
