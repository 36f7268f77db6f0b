#include "runtime/memory_table.hpp"

#include <algorithm>

#include "messages/partition.hpp"
#include "runtime/store_checks.hpp"

namespace sotto {

int memory_table::prepare(sqlite::connection& db, int64_t space) {
  db_ = db.handle();
  space_ = space;
  auto code = SQLITE_OK;
  auto next = [&](sqlite::statement& x, std::string_view sql) {
    if (code == SQLITE_OK)
      code = x.prepare(db, sql);
  };
  next(find_owner_, "SELECT number FROM owners WHERE tenant = ? AND owner = ?");
  next(add_owner_, "INSERT INTO owners(tenant, owner, partition) VALUES(?, ?, ?)");
  next(add_memory_, "INSERT INTO memories(owner, seq, id, text, speaker, conversation, metadata, "
                    "created, own, vector, space, author) "
                    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  next(put_turn_, "INSERT INTO turns(owner, conversation, key, text_hash, reply, created, details) "
                  "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET text_hash = "
                  "excluded.text_hash, reply = excluded.reply, created = excluded.created, "
                  "details = excluded.details");
  next(drop_turns_, "DELETE FROM turns WHERE owner = ? AND created < ?");
  next(put_summary_, "INSERT INTO summaries(owner, conversation, text, upto) VALUES(?, ?, ?, ?) "
                     "ON CONFLICT DO UPDATE SET text = excluded.text, upto = excluded.upto");
  next(embed_, "UPDATE memories SET vector = ?, space = ? WHERE owner = ? AND seq = ?");
  next(remove_, "DELETE FROM memories WHERE owner = ? AND seq = ?");
  next(drop_summaries_, "DELETE FROM summaries WHERE owner = ? AND upto >= ?");
  next(forget_[0], "DELETE FROM memories WHERE owner = ?");
  next(forget_[1], "DELETE FROM turns WHERE owner = ?");
  next(forget_[2], "DELETE FROM summaries WHERE owner = ?");
  next(forget_[3], "DELETE FROM owners WHERE number = ?");
  return code;
}

void memory_table::finish() {
  for (auto x : {&find_owner_, &add_owner_, &add_memory_, &put_turn_, &drop_turns_, &put_summary_,
                 &embed_, &remove_, &drop_summaries_})
    x->finish();
  for (auto& x : forget_)
    x.finish();
}

int memory_table::apply(const store_write& x) {
  switch (x.what) {
  case store_write::kind::insert:
    return insert(x);
  case store_write::kind::embed:
    return embed(x);
  case store_write::kind::remove:
    return remove(x);
  case store_write::kind::forget:
    return forget(x);
  }
  return SQLITE_CONSTRAINT;
}

int memory_table::insert(const store_write& x) {
  int64_t number = 0;
  auto nothing = x.memories.empty() && x.turns.empty() && x.summaries.empty();
  auto code = nothing ? SQLITE_OK : number_of(x.owner, true, number);
  for (size_t i = 0; code == SQLITE_OK && i < x.memories.size(); ++i)
    code = insert_row(
        number, x.memories[i], x.vectors.empty() ? std::span<const float>{} : x.vectors[i],
        x.authors.empty() ? std::string{} : stored_author(x.owner.tenant, x.authors[i]));
  if (code == SQLITE_OK)
    code = put_turns(number, x);
  return code == SQLITE_OK ? put_summaries(number, x) : code;
}

int memory_table::put_turns(int64_t number, const store_write& x) {
  auto code = SQLITE_OK;
  for (auto& turn : x.turns) {
    put_turn_.bind(1, number);
    put_turn_.bind(2, turn.conversation);
    put_turn_.bind(3, turn.key);
    put_turn_.bind(4, static_cast<int64_t>(turn.text_hash));
    put_turn_.bind(5, static_cast<int64_t>(turn.reply));
    put_turn_.bind(6, turn.created);
    put_turn_.bind(7, turn.details);
    if (code = put_turn_.run(); code != SQLITE_OK)
      return code;
  }
  if (x.turns.empty() || x.turns_since == 0)
    return code;
  drop_turns_.bind(1, number);
  drop_turns_.bind(2, x.turns_since);
  return drop_turns_.run();
}

int memory_table::put_summaries(int64_t number, const store_write& x) {
  auto code = SQLITE_OK;
  for (size_t i = 0; code == SQLITE_OK && i < x.summaries.size(); ++i) {
    auto& summary = x.summaries[i];
    put_summary_.bind(1, number);
    put_summary_.bind(2, summary.conversation);
    put_summary_.bind(3, summary.text);
    put_summary_.bind(4, static_cast<int64_t>(summary.upto));
    code = put_summary_.run();
  }
  return code;
}

int memory_table::insert_row(int64_t number, const memory& m, std::span<const float> vector,
                             const std::string& author) {
  // A bind can fail for lack of memory only, and then leaves a null, which no column but `vector`
  // takes.
  add_memory_.bind(1, number);
  add_memory_.bind(2, static_cast<int64_t>(m.seq));
  add_memory_.bind(3, m.id);
  add_memory_.bind(4, m.text);
  add_memory_.bind(5, m.speaker);
  add_memory_.bind(6, m.conversation);
  add_memory_.bind(7, m.metadata);
  add_memory_.bind(8, m.created);
  add_memory_.bind(9, static_cast<int64_t>(m.own));
  auto code = vector.empty() ? add_memory_.bind_null(10)
                             : add_memory_.bind_blob(10, vector.data(), vector.size_bytes());
  add_memory_.bind(11, vector.empty() ? 0 : space_);
  add_memory_.bind(12, author);
  return code == SQLITE_OK ? add_memory_.run() : code;
}

int memory_table::embed(const store_write& x) {
  int64_t number = 0;
  auto code = number_of(x.owner, false, number);
  for (size_t i = 0; code == SQLITE_OK && number != 0 && i < x.memories.size(); ++i) {
    auto& vector = x.vectors[i];
    code = embed_.bind_blob(1, vector.data(), vector.size() * sizeof(float));
    embed_.bind(2, space_);
    embed_.bind(3, number);
    embed_.bind(4, static_cast<int64_t>(x.memories[i].seq));
    if (code == SQLITE_OK)
      code = embed_.run();
  }
  return code;
}

int memory_table::remove(const store_write& x) {
  int64_t number = 0;
  if (auto code = number_of(x.owner, false, number); code != SQLITE_OK || number == 0)
    return code;
  auto code = SQLITE_OK;
  for (size_t i = 0; code == SQLITE_OK && i < x.seqs.size(); ++i) {
    remove_.bind(1, number);
    remove_.bind(2, static_cast<int64_t>(x.seqs[i]));
    code = remove_.run();
  }
  if (code != SQLITE_OK || x.seqs.empty())
    return code;
  drop_summaries_.bind(1, number);
  drop_summaries_.bind(2, static_cast<int64_t>(*std::min_element(x.seqs.begin(), x.seqs.end())));
  return drop_summaries_.run();
}

int memory_table::forget(const store_write& x) {
  int64_t number = 0;
  if (auto code = number_of(x.owner, false, number); code != SQLITE_OK || number == 0)
    return code;
  numbers_.erase(x.owner);
  auto code = SQLITE_OK;
  for (size_t i = 0; code == SQLITE_OK && i < forget_.size(); ++i) {
    forget_[i].bind(1, number);
    code = forget_[i].run();
  }
  return code;
}

int memory_table::number_of(const owner_key& owner, bool add, int64_t& number) {
  if (auto i = numbers_.find(owner); i != numbers_.end()) {
    number = i->second;
    return SQLITE_OK;
  }
  auto code = find_number(owner, add, number);
  if (code != SQLITE_OK || number == 0)
    return code;
  if (numbers_.size() >= cache_)
    numbers_.clear();
  numbers_.emplace(owner, number);
  return SQLITE_OK;
}

int memory_table::find_number(const owner_key& owner, bool add, int64_t& number) {
  find_owner_.bind(1, owner.tenant);
  find_owner_.bind(2, owner.owner);
  auto code = find_owner_.step();
  number = code == SQLITE_ROW ? find_owner_.number(0) : 0;
  find_owner_.reset();
  if (code == SQLITE_ROW || (code == SQLITE_DONE && !add))
    return SQLITE_OK;
  if (code != SQLITE_DONE)
    return code;
  add_owner_.bind(1, owner.tenant);
  add_owner_.bind(2, owner.owner);
  add_owner_.bind(3, int64_t{partition_of(owner, partitions_)});
  code = add_owner_.run();
  if (code == SQLITE_OK)
    number = sqlite3_last_insert_rowid(db_);
  return code;
}

} // namespace sotto
