#include "runtime/recorder.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace sotto {

static_assert(std::is_trivially_copyable_v<message_record>);
// `is_of` reads these two words alone.
static_assert(offsetof(message_record, ctx) == 0 && offsetof(context, trace_hi) == 0
              && offsetof(context, trace_lo) == sizeof(uint64_t));

namespace {

/// Nearly all records are of other traces, and told by their first cache line: a look through the
/// whole ring costs about as much as a turn or two (`mailbox_bench`, trace_lookup), which is cheap
/// enough to need no index, that every message would pay for. One that is being written may pass
/// for either: reading it finds out.
template <class Payload>
bool is_of(const Payload& x, uint64_t trace_hi, uint64_t trace_lo) {
  return x[1].load(std::memory_order_relaxed) == trace_lo
         && x[0].load(std::memory_order_relaxed) == trace_hi;
}

} // namespace

recorder::recorder(size_t capacity)
    : mask_(std::bit_ceil(std::max<size_t>(capacity, 2)) - 1),
      slots_(std::make_unique<slot[]>(mask_ + 1)) {}

void recorder::record(const message_record& x) {
  std::array<uint64_t, words> raw{};
  std::memcpy(raw.data(), &x, sizeof(x));
  auto ticket = next_.fetch_add(1, std::memory_order_relaxed);
  auto& to = slots_[ticket & mask_];
  auto version = to.version.load(std::memory_order_relaxed);
  // Another writer a whole lap away still holds the slot: this record is the one to lose.
  if ((version & 1) != 0
      || !to.version.compare_exchange_strong(version, version + 1, std::memory_order_acquire))
    return;
  for (size_t i = 0; i < words; ++i)
    to.payload[i].store(raw[i], std::memory_order_release);
  to.version.store(version + 2, std::memory_order_release);
}

void recorder::note(const context& ctx, uint64_t receiver, const char* receiver_type,
                    const char* what, int64_t now, outcome ended_as) {
  message_record x;
  x.ctx = ctx;
  x.receiver = receiver;
  x.receiver_type = receiver_type;
  x.started = x.ended = now;
  x.ended_as = ended_as;
  x.note = what;
  record(x);
}

bool recorder::read(const slot& from, message_record& to) const {
  auto before = from.version.load(std::memory_order_acquire);
  if (before == 0 || (before & 1) != 0)
    return false;
  std::array<uint64_t, words> raw{};
  for (size_t i = 0; i < words; ++i)
    raw[i] = from.payload[i].load(std::memory_order_acquire);
  if (from.version.load(std::memory_order_relaxed) != before)
    return false;
  std::memcpy(static_cast<void*>(&to), raw.data(), sizeof(to));
  return true;
}

std::vector<message_record> recorder::find(uint64_t trace_hi, uint64_t trace_lo) const {
  std::vector<message_record> result;
  auto end = recorded();
  auto begin = end > mask_ + 1 ? end - mask_ - 1 : 0;
  auto all = trace_hi == 0 && trace_lo == 0;
  message_record x;
  for (auto i = begin; i < end; ++i) {
    auto& from = slots_[i & mask_];
    if (!all && !is_of(from.payload, trace_hi, trace_lo))
      continue;
    if (read(from, x) && (all || (x.ctx.trace_hi == trace_hi && x.ctx.trace_lo == trace_lo)))
      result.push_back(x);
  }
  return result;
}

} // namespace sotto
