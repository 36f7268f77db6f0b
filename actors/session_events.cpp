#include "actors/session_events.hpp"

#include <algorithm>

namespace sotto {

namespace {

constexpr int64_t hour = 3'600'000'000'000;

} // namespace

std::optional<session_events::listener> session_events::listen(const event_client_actor& client,
                                                               const subscription& x, int64_t now) {
  std::erase_if(listeners_, [&](auto& y) { return y.until <= now || y.client == client; });
  if (x.lease <= 0)
    return std::nullopt;
  if (persona.empty())
    persona = x.persona;
  std::optional<listener> gone;
  if (listeners_.size() >= most_listeners) {
    auto first = std::ranges::min_element(listeners_, {}, &listener::until);
    gone = std::move(*first);
    listeners_.erase(first);
  }
  listeners_.push_back({client, x.kinds, now + x.lease});
  return gone;
}

int64_t session_events::listened_until() const {
  int64_t result = 0;
  for (auto& x : listeners_)
    result = std::max(result, x.until);
  return result;
}

bool session_events::heard(int64_t now, uint8_t kinds) {
  std::erase_if(listeners_, [&](auto& x) { return x.until <= now; });
  return std::ranges::any_of(listeners_, [&](auto& x) { return (x.kinds & kinds) != 0; });
}

void session_events::said(int64_t now) {
  silent_since_ = now;
  tried_ = false;
}

std::optional<int64_t> session_events::due(const persona_options& who) const {
  auto most = size_t{who.proactive_per_hour};
  if (who.proactive_after.count() <= 0 || most == 0 || tried_)
    return std::nullopt;
  auto result = silent_since_ + who.proactive_after.count();
  if (times_.size() >= most)
    result = std::max(result, times_[times_.size() - most] + hour);
  return result;
}

void session_events::spoke(int64_t now) {
  while (!times_.empty() && times_.front() <= now - hour)
    times_.pop_front();
  times_.push_back(now);
}

void session_events::know(int64_t last_said, const std::vector<int64_t>& spoke, bool spoke_last) {
  silent_since_ = last_said;
  tried_ = spoke_last;
  times_.insert(times_.begin(), spoke.begin(), spoke.end());
}

std::vector<int64_t> unasked(const std::vector<line_time>& lines) {
  std::vector<int64_t> result;
  for (size_t i = 1; i < lines.size(); ++i)
    if (lines[i].own && lines[i - 1].own)
      result.push_back(lines[i].created);
  return result;
}

} // namespace sotto
