#include "runtime/postgres_table.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "messages/partition.hpp"
#include "runtime/store_checks.hpp"

namespace sotto {

namespace {

using postgres::connection;
using postgres::parameters;
using postgres::statement;
using writes_view = std::span<const store_write* const>;

// An owner's number is looked up by a subquery: always by the index, whatever the planner thinks of
// the tables' sizes, and a null, which no column takes, where there is none.
#define NUMBER_OF_X "(SELECT number FROM owners o WHERE o.tenant = x.tenant AND o.owner = x.owner)"

const statement add_owners{
    "INSERT INTO owners(tenant, owner, partition) "
    "SELECT tenant, owner, partition FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) "
    "AS x(tenant, owner, partition) WHERE NOT EXISTS (SELECT FROM owners o "
    "WHERE o.tenant = x.tenant AND o.owner = x.owner) ON CONFLICT DO NOTHING",
    "add_owners"};

const statement add_memories{
    "INSERT INTO memories(owner, seq, id, text, speaker, conversation, metadata, created, own, "
    "vector, space, author) SELECT " NUMBER_OF_X
    ", seq, id, text, speaker, conversation, metadata, "
    "created, own <> 0, vector, CASE WHEN vector IS NULL THEN 0 ELSE $12::bigint END, author FROM "
    "unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], "
    "$7::bytea[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bytea[], $13::bytea[]) AS "
    "x(tenant, owner, seq, id, text, speaker, conversation, metadata, created, own, vector, "
    "author)",
    "add_memories"};

const statement drop_turns{
    "DELETE FROM turns t USING unnest($1::bytea[], $2::bytea[], $3::bigint[]) "
    "AS x(tenant, owner, since) WHERE t.owner = " NUMBER_OF_X " AND t.created < x.since",
    "drop_turns"};

const statement put_turns{
    "INSERT INTO turns(owner, conversation, key, text_hash, reply, created, details) "
    "SELECT " NUMBER_OF_X ", conversation, key, text_hash, reply, created, details FROM "
    "unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::bytea[]) AS x(tenant, owner, conversation, key, text_hash, reply, created, "
    "details) ON CONFLICT(owner, conversation, key) DO UPDATE SET text_hash = excluded.text_hash, "
    "reply = excluded.reply, created = excluded.created, details = excluded.details",
    "put_turns"};

const statement put_summaries{
    "INSERT INTO summaries(owner, conversation, text, upto) "
    "SELECT " NUMBER_OF_X ", conversation, text, upto FROM unnest($1::bytea[], $2::bytea[], "
    "$3::bytea[], $4::bytea[], $5::bigint[]) AS x(tenant, owner, conversation, text, upto) "
    "ON CONFLICT(owner, conversation) DO UPDATE SET text = excluded.text, upto = excluded.upto",
    "put_summaries"};

const statement embed{
    "UPDATE memories m SET vector = x.vector, space = $5::bigint FROM unnest($1::bytea[], "
    "$2::bytea[], $3::bigint[], $4::bytea[]) AS x(tenant, owner, seq, vector) "
    "WHERE m.owner = " NUMBER_OF_X " AND m.seq = x.seq",
    "embed"};

const statement remove_memories{
    "DELETE FROM memories m USING unnest($1::bytea[], $2::bytea[], $3::bigint[]) "
    "AS x(tenant, owner, seq) WHERE m.owner = " NUMBER_OF_X " AND m.seq = x.seq",
    "remove_memories"};

const statement drop_summaries{
    "DELETE FROM summaries s USING unnest($1::bytea[], $2::bytea[], $3::bigint[]) "
    "AS x(tenant, owner, seq) WHERE s.owner = " NUMBER_OF_X " AND s.upto >= x.seq",
    "drop_summaries"};

#define FORGET(table, column)                                                                      \
  "DELETE FROM " table " t USING unnest($1::bytea[], $2::bytea[]) AS x(tenant, owner) "            \
  "WHERE t." column " = " NUMBER_OF_X

const std::array<statement, 4> forget{{{FORGET("memories", "owner"), "forget_memories"},
                                       {FORGET("turns", "owner"), "forget_turns"},
                                       {FORGET("summaries", "owner"), "forget_summaries"},
                                       {FORGET("owners", "number"), "forget_owner"}}};

/// Columns of rows to be unnested, each row with its owner.
struct columns {
  std::vector<std::string_view> tenants, owners;

  void add(const owner_key& owner) {
    tenants.push_back(owner.tenant);
    owners.push_back(owner.owner);
  }
  bool empty() const { return tenants.empty(); }
  parameters begin() const {
    parameters x;
    x.byte_strings(tenants).byte_strings(owners);
    return x;
  }
};

using texts = std::vector<std::string_view>;
using numbers = std::vector<int64_t>;

/// The vector's bytes; without data where there is none.
std::string_view bytes_of(const std::vector<float>& x) {
  return x.empty()
             ? std::string_view{}
             : std::string_view{reinterpret_cast<const char*>(x.data()), x.size() * sizeof(float)};
}

/// What is to be done to an owner's turns: first those go that began before `since`, then some are
/// put.
struct turns_step {
  int64_t since = 0;
  std::map<std::pair<std::string_view, std::string_view>, const turn_record*> put;
};

/// Adds a write to its owner's steps. It needs a new one only where it removes what is put before.
void take(const store_write& x, std::vector<turns_step>& steps) {
  auto& last = steps.empty() ? steps.emplace_back() : steps.back();
  for (auto& turn : x.turns)
    last.put[{turn.conversation, turn.key}] = &turn;
  auto removed = std::any_of(last.put.begin(), last.put.end(),
                             [&](auto& at) { return at.second->created < x.turns_since; });
  if (x.turns_since != 0 && removed)
    steps.emplace_back().since = x.turns_since;
  else
    last.since = std::max(last.since, x.turns_since);
}

using all_turns = std::unordered_map<owner_key, std::vector<turns_step>>;

/// Queues one step of every owner; false where none has so many.
bool queue_turns(connection& db, const all_turns& steps, size_t number) {
  columns old, all;
  numbers since, hashes, replies, created;
  texts conversations, keys, details;
  auto any = false;
  for (auto& [owner, of] : steps) {
    if (number >= of.size())
      continue;
    any = true;
    if (of[number].since != 0) {
      old.add(owner);
      since.push_back(of[number].since);
    }
    for (auto& [key, turn] : of[number].put) {
      all.add(owner);
      conversations.push_back(turn->conversation);
      keys.push_back(turn->key);
      hashes.push_back(static_cast<int64_t>(turn->text_hash));
      replies.push_back(static_cast<int64_t>(turn->reply));
      created.push_back(turn->created);
      details.push_back(turn->details);
    }
  }
  if (!old.empty())
    db.queue(drop_turns, old.begin().numbers(since));
  if (!all.empty())
    db.queue(put_turns, all.begin()
                            .byte_strings(conversations)
                            .byte_strings(keys)
                            .numbers(hashes)
                            .numbers(replies)
                            .numbers(created)
                            .byte_strings(details));
  return any;
}

void queue_turns(connection& db, writes_view writes) {
  all_turns steps;
  for (auto x : writes)
    if (!x->turns.empty())
      take(*x, steps[x->owner]);
  for (size_t number = 0; queue_turns(db, steps, number); ++number)
    ;
}

void queue_summaries(connection& db, writes_view writes) {
  // The last one of a conversation counts.
  std::unordered_map<owner_key, std::map<std::string_view, const summary_record*>> last;
  for (auto x : writes)
    for (auto& summary : x->summaries)
      last[x->owner][summary.conversation] = &summary;
  columns all;
  texts conversations, text;
  numbers upto;
  for (auto& [owner, of] : last)
    for (auto& [conversation, x] : of) {
      all.add(owner);
      conversations.push_back(conversation);
      text.push_back(x->text);
      upto.push_back(static_cast<int64_t>(x->upto));
    }
  if (!all.empty())
    db.queue(put_summaries,
             all.begin().byte_strings(conversations).byte_strings(text).numbers(upto));
}

void queue_removes(connection& db, writes_view writes) {
  columns all;
  numbers seqs;
  for (auto x : writes) {
    for (auto seq : x->seqs) {
      all.add(x->owner);
      seqs.push_back(static_cast<int64_t>(seq));
    }
  }
  auto rows = all.begin().numbers(seqs);
  db.queue(remove_memories, rows);
  db.queue(drop_summaries, rows);
}

void queue_forgets(connection& db, writes_view writes) {
  columns all;
  for (auto x : writes)
    all.add(x->owner);
  for (auto& what : forget)
    db.queue(what, all.begin());
}

} // namespace

std::vector<const store_write*> write_stage::of(store_write::kind what) const {
  std::vector<const store_write*> out;
  std::copy_if(writes.begin(), writes.end(), std::back_inserter(out),
               [&](auto x) { return x->what == what; });
  return out;
}

std::vector<write_stage> staged(std::span<const store_write* const> writes) {
  std::vector<write_stage> out(1);
  std::unordered_map<owner_key, store_write::kind> kinds;
  for (auto x : writes) {
    auto [at, isnew] = kinds.try_emplace(x->owner, x->what);
    if (!isnew && at->second != x->what) {
      out.emplace_back();
      kinds.clear();
      kinds.emplace(x->owner, x->what);
    }
    out.back().writes.push_back(x);
  }
  return out;
}

void postgres_table::queue(connection& db, std::span<const store_write* const> writes) const {
  using kind = store_write::kind;
  for (auto& stage : staged(writes)) {
    if (auto some = stage.of(kind::insert); !some.empty())
      queue_inserts(db, some);
    if (auto some = stage.of(kind::embed); !some.empty())
      queue_embeds(db, some);
    if (auto some = stage.of(kind::remove); !some.empty())
      queue_removes(db, some);
    if (auto some = stage.of(kind::forget); !some.empty())
      queue_forgets(db, some);
  }
}

void postgres_table::queue_inserts(connection& db, writes_view writes) const {
  queue_owners(db, writes);
  queue_memories(db, writes);
  queue_turns(db, writes);
  queue_summaries(db, writes);
}

void postgres_table::queue_owners(connection& db, writes_view writes) const {
  columns all;
  numbers partitions;
  std::unordered_set<owner_key> seen;
  for (auto x : writes) {
    auto nothing = x->memories.empty() && x->turns.empty() && x->summaries.empty();
    if (nothing || !seen.insert(x->owner).second)
      continue;
    all.add(x->owner);
    partitions.push_back(partition_of(x->owner, partitions_));
  }
  if (!all.empty())
    db.queue(add_owners, all.begin().numbers(partitions));
}

void postgres_table::queue_memories(connection& db, writes_view writes) const {
  columns all;
  texts ids, text, speakers, conversations, metadata, vectors, authors;
  numbers seqs, created, own;
  std::deque<std::string> names; // the texts' bytes stay where they are
  for (auto x : writes)
    for (size_t i = 0; i < x->memories.size(); ++i) {
      auto& m = x->memories[i];
      all.add(x->owner);
      seqs.push_back(static_cast<int64_t>(m.seq));
      ids.push_back(m.id);
      text.push_back(m.text);
      speakers.push_back(m.speaker);
      conversations.push_back(m.conversation);
      metadata.push_back(m.metadata);
      created.push_back(m.created);
      own.push_back(m.own ? 1 : 0);
      vectors.push_back(x->vectors.empty() ? std::string_view{} : bytes_of(x->vectors[i]));
      authors.push_back(x->authors.empty()
                            ? std::string_view{""}
                            : names.emplace_back(stored_author(x->owner.tenant, x->authors[i])));
    }
  if (!all.empty())
    db.queue(add_memories, all.begin()
                               .numbers(seqs)
                               .byte_strings(ids)
                               .byte_strings(text)
                               .byte_strings(speakers)
                               .byte_strings(conversations)
                               .byte_strings(metadata)
                               .numbers(created)
                               .numbers(own)
                               .byte_strings_or_null(vectors)
                               .number(space_)
                               .byte_strings(authors));
}

void postgres_table::queue_embeds(connection& db, writes_view writes) const {
  // The last vector of a memory counts.
  std::unordered_map<owner_key, std::map<uint64_t, const std::vector<float>*>> last;
  for (auto x : writes)
    for (size_t i = 0; i < x->memories.size() && i < x->vectors.size(); ++i)
      last[x->owner][x->memories[i].seq] = &x->vectors[i];
  columns all;
  numbers seqs;
  texts vectors;
  for (auto& [owner, of] : last)
    for (auto& [seq, vector] : of) {
      all.add(owner);
      seqs.push_back(static_cast<int64_t>(seq));
      vectors.push_back(bytes_of(*vector));
    }
  if (!all.empty())
    db.queue(embed, all.begin().numbers(seqs).byte_strings_or_null(vectors).number(space_));
}

} // namespace sotto
