#include "nodes/caller.hpp"

#include <fmt/format.h>

namespace sotto {

failure caller::over_rate(int64_t now) const {
  auto x = rate ? rate->take(now) : rate_verdict{};
  if (x.allowed)
    return {};
  constexpr int64_t nanos_per_ms = 1'000'000, nanos_per_s = 1'000'000'000;
  return {ec::overloaded,
          fmt::format("the rate limit of this API key is passed; again in {} ms",
                      (x.wait + nanos_per_ms - 1) / nanos_per_ms),
          {},
          static_cast<uint32_t>((x.wait + nanos_per_s - 1) / nanos_per_s)};
}

} // namespace sotto
