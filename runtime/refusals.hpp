#pragma once

#include <cstdint>

namespace sotto {

/// Refusals that are told at once in a tenth of a second, by ADMISSION and by the sockets each:
/// what costs a percent or so of a core. More are held back for `admission.hold_refusals`.
inline constexpr uint32_t refusals_told_at_once = 32;

} // namespace sotto
