#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "actors/owner_index.hpp"
#include "messages/journal.hpp"

namespace sotto {

/// The turns with a key of one owner, as they are durable. Knows no actor, clock or disk.
class turn_journal {
public:
  /// What is known of a turn. `index` holds the owner's memories: the text of a reply is there.
  turn_found find(const turn_opening& x, const owner_index& index) const;

  /// When the turn of this record began: what is known of it, or else what it says, but no sooner
  /// than those before it. Clocks of nodes differ and jump: a turn that seemed older than the
  /// oldest would be dropped at once by `prune`.
  int64_t begun(const turn_record& x) const;

  /// Whether this turn is known to be over.
  bool over(const turn_record& x) const;

  /// What tells a turn from the owner's others.
  static std::string place_of(const std::string& conversation, const std::string& key);

  /// Takes a record in the place of the one with the same conversation and key.
  void put(turn_record x);

  /// Drops what began before `since`, and the oldest of more than `most`. Returns the time of the
  /// oldest that is left: the store may drop what began before it.
  int64_t prune(int64_t since, size_t most);

  size_t size() const { return records_.size(); }
  /// Memory held, roughly (bytes).
  size_t bytes() const { return bytes_; }

private:
  void drop(const std::string& place);

  std::unordered_map<std::string, turn_record> records_;
  /// By the time of their first record; places, some of which may be gone or have come again.
  std::vector<std::pair<int64_t, std::string>> order_;
  size_t bytes_ = 0;
};

/// What tells one text from another in the journal.
uint64_t text_hash(const std::string& text);

/// The record of a turn that is over. Where its reply stands is the writer's to say.
turn_record record_of(const turn_request& turn, const turn_reply& reply, int64_t created);

} // namespace sotto
