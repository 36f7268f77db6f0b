#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/meta/type_name.hpp>

#include "messages/memory.hpp"

namespace sotto {

/// One change to an owner's stored memories; all of it is durable or none of it.
struct store_write {
  enum class kind : uint8_t {
    /// Adds `memories` (each with its `seq` and an id that the owner has not yet) and, where known,
    /// their `vectors`. Puts `turns` and `summaries` in the place of what is there of them.
    insert,
    /// Gives memories that are there, told by their `seq`, the `vectors`. One that is not there any
    /// more is passed over.
    embed,
    /// Removes the memories at the places `seqs`, and every summary that may tell of one.
    remove,
    /// Removes the owner with everything of theirs.
    forget,
  };
  kind what = kind::insert;
  owner_key owner;
  /// Under which its maker served the partition; a node alone has none. A store with a fence
  /// refuses what was made under an epoch that is over, by this node too.
  uint64_t epoch = 0;
  std::vector<memory> memories;
  /// Empty, or one embedding a memory, each possibly empty. The built-in embedder's vectors are
  /// not stored: computing one again is cheaper than reading it.
  std::vector<std::vector<float>> vectors;
  std::vector<turn_record> turns;
  std::vector<summary_record> summaries;
  /// With `turns`: the owner's that began before this time go (microseconds since 1970).
  int64_t turns_since = 0;
  std::vector<uint64_t> seqs;
  /// As in `memory_write`.
  std::vector<std::string> authors{};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, store_write& x) {
  return f(caf::meta::type_name("store_write"), x.what, x.owner, x.epoch, x.memories, x.vectors,
           x.turns, x.summaries, x.turns_since, x.seqs, x.authors);
}

/// The places among a group's memories of what a user said there, and of what was answered to it.
struct spoken_lines {
  owner_key group;
  std::vector<uint64_t> seqs;
};

} // namespace sotto

// Stay within the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::spoken_lines)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::spoken_lines>)
