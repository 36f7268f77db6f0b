#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <caf/meta/type_name.hpp>

namespace sotto {

/// Whose memories: a user (or a group conversation) of a tenant.
struct owner_key {
  std::string tenant;
  std::string owner;

  friend bool operator==(const owner_key&, const owner_key&) = default;
};

/// One thing remembered: a line of a conversation, or a note a frontend stored.
struct memory {
  /// Unique within the owner.
  std::string id;
  std::string text;
  /// Who said it; for the companion's own lines the persona's name.
  std::string speaker;
  std::string conversation;
  /// A JSON object as text; empty means none.
  std::string metadata;
  /// Microseconds since 1970, UTC.
  int64_t created = 0;
  /// Position among the owner's memories: the order of arrival, from 1. 0: not stored yet.
  uint64_t seq = 0;
  /// The companion's own line.
  bool own = false;
};

/// A memory found, and why.
struct recalled {
  memory what;
  /// Comparable within one answer only; higher is better.
  float score = 0;
  /// For people: e.g. `words 0.71, meaning 0.52, neighbours 0.10`.
  std::string why;
};

/// Asks for the `k` memories of one owner that answer `text` best.
struct memory_query {
  owner_key owner;
  std::string text;
  /// The text's embedding; empty means search by words alone.
  std::vector<float> vector;
  uint32_t k = 10;
  /// Only memories created at or before this time (microseconds since 1970); 0 means all.
  int64_t at = 0;
  /// JSON object as text: only memories whose metadata has these values; empty means all.
  std::string where;
};

/// What is durable of a turn that has an idempotency key. The reply's text is not kept here but
/// with the owner's memories, so that it goes when they go.
struct turn_record {
  std::string conversation;
  std::string key;
  /// Of what was said: the same key with another text is a mistake, not a retry.
  uint64_t text_hash = 0;
  /// Place of the reply among the owner's memories; 0: the turn has begun and is not over.
  uint64_t reply = 0;
  /// Microseconds since 1970: when it began.
  int64_t created = 0;
  /// The rest of the reply, as JSON.
  std::string details;
};

/// What was said in a conversation up to and with the memory `upto`, told in short.
struct summary_record {
  std::string conversation;
  std::string text;
  uint64_t upto = 0;
};

/// Memories to be stored for one owner, with their embeddings where known (`vectors` is empty or
/// as long as `memories`; an element may be empty).
struct memory_write {
  owner_key owner;
  std::vector<memory> memories;
  std::vector<std::vector<float>> vectors;
  /// Turns that end with this write, `reply` counted from 1 among `memories`; of an owner that was
  /// loaded, all that are kept.
  std::vector<turn_record> turns;
  std::vector<summary_record> summaries;
  /// In a group: because of whom each memory is there, the user who said it or was answered by it.
  /// Empty, or as long as `memories`; an element may be empty.
  std::vector<std::string> authors{};
};

/// What became of a write, an id a memory; `created[i]` is false where the id was already there.
struct memory_receipt {
  std::vector<std::string> ids;
  std::vector<bool> created;
  /// Places among the owner's memories; 0 where the id was already there.
  std::vector<uint64_t> seqs;
};

/// The end of a conversation: its last lines, oldest first, and what was before them in short.
struct conversation_end {
  std::vector<memory> lines;
  summary_record before;
  /// SHARD's count of removals when it read this, to be sent with a summary of these lines.
  uint64_t as_of = 0;
};

/// One page of an owner's memories in order of arrival, starting after the memory `after` (an id;
/// empty: from the start).
struct memory_page_query {
  owner_key owner;
  std::string after;
  uint32_t limit = 100;
};

struct memory_page {
  std::vector<memory> memories;
  /// To be sent as `after` for the next page; empty at the end.
  std::string next;
};

/// What `forget` did, so that it can be checked later.
struct forget_receipt {
  owner_key owner;
  uint64_t memories = 0;
  /// Microseconds since 1970.
  int64_t at = 0;
};

/// What a user said in groups that live in one partition, and what was answered to it.
struct spoken_by {
  owner_key user;
  uint32_t partition = 0;
};

/// How much of that was removed, and from which groups.
struct spoken_receipt {
  std::vector<owner_key> groups;
  uint64_t memories = 0;
};

/// A group is an owner of its own, whom several users speak with: this and its name.
inline constexpr std::string_view group_prefix = "channel:";

inline bool is_group(const owner_key& owner) {
  return owner.owner.starts_with(group_prefix);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, owner_key& x) {
  return f(caf::meta::type_name("owner_key"), x.tenant, x.owner);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory& x) {
  return f(caf::meta::type_name("memory"), x.id, x.text, x.speaker, x.conversation, x.metadata,
           x.created, x.seq, x.own);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, recalled& x) {
  return f(caf::meta::type_name("recalled"), x.what, x.score, x.why);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_query& x) {
  return f(caf::meta::type_name("memory_query"), x.owner, x.text, x.vector, x.k, x.at, x.where);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_write& x) {
  return f(caf::meta::type_name("memory_write"), x.owner, x.memories, x.vectors, x.turns,
           x.summaries, x.authors);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_receipt& x) {
  return f(caf::meta::type_name("memory_receipt"), x.ids, x.created, x.seqs);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, turn_record& x) {
  return f(caf::meta::type_name("turn_record"), x.conversation, x.key, x.text_hash, x.reply,
           x.created, x.details);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, summary_record& x) {
  return f(caf::meta::type_name("summary_record"), x.conversation, x.text, x.upto);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, conversation_end& x) {
  return f(caf::meta::type_name("conversation_end"), x.lines, x.before, x.as_of);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_page_query& x) {
  return f(caf::meta::type_name("memory_page_query"), x.owner, x.after, x.limit);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_page& x) {
  return f(caf::meta::type_name("memory_page"), x.memories, x.next);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_receipt& x) {
  return f(caf::meta::type_name("forget_receipt"), x.owner, x.memories, x.at);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, spoken_by& x) {
  return f(caf::meta::type_name("spoken_by"), x.user, x.partition);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, spoken_receipt& x) {
  return f(caf::meta::type_name("spoken_receipt"), x.groups, x.memories);
}

} // namespace sotto

template <>
struct std::hash<sotto::owner_key> {
  size_t operator()(const sotto::owner_key& x) const noexcept {
    auto h = std::hash<std::string>{};
    return h(x.tenant) * 0x9e3779b97f4a7c15ULL ^ h(x.owner);
  }
};
