// What a session holds of the node's memory.
#include "actors/session_place.hpp"

#include "actors/session.hpp"

namespace sotto {

namespace {

/// Short strings lie within their object.
size_t held(const std::string& x) {
  constexpr size_t within = 15;
  return x.capacity() > within ? x.capacity() + 1 : 0;
}

size_t held(const std::vector<spoken_line>& lines) {
  auto result = lines.capacity() * sizeof(spoken_line);
  for (auto& x : lines)
    result += held(x.speaker) + held(x.text);
  return result;
}

/// An actor without its state, and its entries in PARTITION: measured (`scripts/bench sessions`).
constexpr size_t actor_bytes = 1536;

} // namespace

size_t conversation_context::bytes() const {
  return sizeof(*this) + held(lines) + held(before.conversation) + held(before.text);
}

size_t session_state::bytes() const {
  auto& [owner, conversation] = key();
  auto result = sizeof(session_state) + actor_bytes + held(recent_) + held(owner.tenant)
                + held(owner.owner) + held(conversation);
  if (before_)
    result += sizeof(summary_record) + held(before_->conversation) + held(before_->text);
  for (auto& x : last_memories_)
    result += sizeof(x) + x.what.text.size() + x.what.metadata.size();
  return result;
}

void session_state::settle() {
  auto now = static_cast<uint32_t>(std::min<size_t>(bytes(), UINT32_MAX));
  auto before = place_->bytes.exchange(now, std::memory_order_relaxed);
  parts_->memory->session_bytes.fetch_add(int64_t{now} - before, std::memory_order_relaxed);
  auto until = events_ ? events_->listened_until() : 0;
  place_->busy_until = turn_ || waiting_ || summary_ || speaking_ ? session_place::always : until;
}

} // namespace sotto
