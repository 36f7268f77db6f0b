#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "messages/context.hpp"

namespace sotto {

/// What tells how urgent a turn is for which the frontend gave no level.
struct turn_signals {
  /// A word such as `urgent`, `emergency` or `help` near the text's beginning.
  bool urgent = false;
  /// A question mark.
  bool question = false;
  /// The conversation had a turn within the last 30 s.
  bool active = false;
  /// Spoken by somebody else than the owner of the conversation: a channel.
  bool channel = false;
  /// More than five speakers in the conversation of late.
  bool crowded = false;
};

/// Points: 50, urgent 30, question 10, active 15, crowded 5, at most 100 (the original engine's,
/// but for its bonus of every second message).
uint32_t urgency_score(const turn_signals& x);

/// `high` with an urgent word; `low` for a remark in a channel where nobody talks (50 points);
/// `normal` otherwise. `critical` and `background` are the frontend's to give.
priority turn_level(const turn_signals& x);

/// Looks for urgent words and questions in the first kilobyte of a text.
turn_signals read_signals(std::string_view text);

/// Remembers of conversations when they last had a turn and who spoke. Bounded: a conversation that
/// falls on another's place takes it.
class recent_conversations {
public:
  static constexpr size_t crowd = 6;

  explicit recent_conversations(size_t places = 8192) : places_(places) {}

  /// Takes note of a turn at `now` (nanoseconds) and fills in `active` and `crowded`. The
  /// conversation is its tenant's number and the hash of its name, the speaker a hash too.
  void heard(std::pair<uint64_t, uint64_t> conversation, uint64_t speaker, int64_t now,
             turn_signals& x);

private:
  struct place {
    std::pair<uint64_t, uint64_t> conversation{};
    int64_t last = 0;
    std::array<uint16_t, crowd> speakers{};
    uint8_t count = 0;
  };

  std::vector<place> places_;
};

} // namespace sotto
