#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "config/persona_options.hpp"
#include "messages/events.hpp"

namespace sotto {

/// Who listens to a conversation, and when the companion may break its silence. Times are
/// nanoseconds of the actor clock. Sends nothing and knows no clock.
class session_events {
public:
  static constexpr size_t most_listeners = 16;

  struct listener {
    event_client_actor client;
    uint8_t kinds = 0;
    int64_t until = 0;
  };

  /// Takes a listener in, renews its lease, or lets it go (lease 0). A conversation has at most
  /// `most_listeners`: returns the one that had to make room, whose lease ends first.
  std::optional<listener> listen(const event_client_actor& client, const subscription& x,
                                 int64_t now);

  /// Whether somebody listens, and for one of `kinds`.
  bool heard(int64_t now, uint8_t kinds = all_events);

  /// When the last lease ends; 0 where nobody listens.
  int64_t listened_until() const;

  template <class F>
  void each(session_event::kind what, int64_t now, F f) {
    if (heard(now, event_bit(what)))
      for (auto& x : listeners_)
        if ((x.kinds & event_bit(what)) != 0)
          f(x.client);
  }

  // Silence: of the user, since the last line of the conversation.

  /// Somebody said something.
  void said(int64_t now);

  /// When the companion may speak of its own accord; nothing: not in this silence.
  std::optional<int64_t> due(const persona_options& who) const;

  /// It has had its chance in this silence, whatever becomes of it.
  void tried() { tried_ = true; }

  /// It speaks: one less within the hour.
  void spoke(int64_t now);

  /// What was stored before this session began: when the last line was said, when the companion
  /// spoke of its own accord (ascending), and whether it was the last to speak so.
  void know(int64_t last_said, const std::vector<int64_t>& spoke, bool spoke_last);

  int64_t silence(int64_t now) const { return now - silent_since_; }

  /// Whose conversation it is.
  owner_key owner;
  std::string conversation;
  /// What the user felt last; empty where that is not known.
  std::string mood;
  /// Told that the companion types.
  bool typing = false;
  /// A timer is set.
  bool armed = false;
  /// Who answered last.
  std::string persona;

private:
  std::vector<listener> listeners_;
  int64_t silent_since_ = 0;
  bool tried_ = false;
  /// Of the last hour, ascending.
  std::deque<int64_t> times_;
};

/// A stored line, as far as it matters who spoke when (microseconds since 1970).
struct line_time {
  bool own = false;
  int64_t created = 0;
};

/// When the companion spoke of its own accord: its lines that no line of somebody else came before.
std::vector<int64_t> unasked(const std::vector<line_time>& lines);

} // namespace sotto
