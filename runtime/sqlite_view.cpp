#include "runtime/sqlite_view.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "messages/partition.hpp"
#include "runtime/store_checks.hpp"

namespace sotto {

using namespace std::chrono_literals;

namespace {

constexpr auto find_owner = "SELECT number FROM owners WHERE tenant = ? AND owner = ?";
constexpr auto find_memories = "SELECT seq, id, text, speaker, conversation, metadata, created, "
                               "own, iif(space = ?, vector, NULL), author FROM memories "
                               "WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?";
constexpr auto find_turns = "SELECT conversation, key, text_hash, reply, created, details "
                            "FROM turns WHERE owner = ? ORDER BY created";
constexpr auto find_summaries = "SELECT conversation, text, upto FROM summaries WHERE owner = ?";

// The groups of an author are stepped through in the index, one after another. Of which partition
// one is, its name says: `owners.partition` is of the `node.partitions` that it was written under.
constexpr auto find_groups =
    "WITH RECURSIVE g(owner) AS (SELECT min(owner) FROM memories WHERE author = ?1 AND author <> "
    "'' "
    "UNION ALL SELECT (SELECT min(m.owner) FROM memories m WHERE m.author = ?1 AND m.author <> '' "
    "AND m.owner > g.owner) FROM g WHERE g.owner IS NOT NULL) "
    "SELECT o.number, o.owner FROM g CROSS JOIN owners o ON o.number = g.owner";
// What the companion said of its own accord has no author: it was made from the conversation so
// far, whoever spoke there.
constexpr auto find_spoken =
    "SELECT seq FROM memories WHERE author = ?1 AND author <> '' AND owner = ?2 "
    "UNION ALL SELECT m.seq FROM memories m WHERE m.owner = ?2 AND m.own AND m.author = '' "
    "AND EXISTS (SELECT 1 FROM memories b WHERE b.author = ?1 AND b.author <> '' AND b.owner = ?2 "
    "AND b.seq < m.seq AND b.conversation = m.conversation) ORDER BY 1";

constexpr auto list_owners =
    "SELECT tenant, owner, (SELECT count(*) FROM memories WHERE memories.owner = owners.number "
    "AND (space <> ?1 OR vector IS NULL)) FROM owners WHERE (tenant, owner) > (?2, ?3) "
    "ORDER BY tenant, owner LIMIT ?4";

/// So much of the log may be moved with commits shut out: less than the disk takes for a sync.
constexpr uint64_t little = 1 << 20;

/// Longest wait for a running commit, and with further ones shut out for readers, to do that; at
/// last: once the log is too large.
constexpr caf::timespan most_shut_out = 100ms, most_shut_out_at_last = 1s;

/// So often in a row a reader may keep what was removed from being cleaned before it is told of.
/// Between two tries `maintain` is called twice as often each time, up to the last: every try shuts
/// out commits, and a reader of another program may stay for long.
constexpr int most_unclean = 6, longest_rest = 40;

/// Between two tries for a lock, until `short_waits` have passed, and later.
constexpr caf::timespan short_wait = 250us, short_waits = 200ms, long_wait = 10ms;

/// Ends a statement's reading transaction when it goes out of scope.
struct reset_later {
  sqlite::statement& what;
  ~reset_later() { what.reset(); }
};

memory to_memory(sqlite::statement& row) {
  memory x;
  x.seq = static_cast<uint64_t>(row.number(0));
  x.id = row.text(1);
  x.text = row.text(2);
  x.speaker = row.text(3);
  x.conversation = row.text(4);
  x.metadata = row.text(5);
  x.created = row.number(6);
  x.own = row.number(7) != 0;
  return x;
}

} // namespace

int configure(sqlite::connection& db, const store_options& options) {
  wait_promptly(db, options.busy_timeout);
  auto sql = fmt::format("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA cell_size_check = ON; "
                         "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; "
                         "PRAGMA cache_size = -{};",
                         options.cache_kib);
  return db.exec(sql.c_str());
}

void wait_promptly(sqlite::connection& db, caf::timespan most) {
  auto tries = static_cast<intptr_t>(most <= short_waits ? most / short_wait
                                                         : short_waits / short_wait
                                                               + (most - short_waits) / long_wait);
  // The number of tries stands in the pointer's place: it needs no room that must live on.
  sqlite3_busy_handler(
      db.handle(),
      [](void* most_tries, int before) {
        if (before >= reinterpret_cast<intptr_t>(most_tries))
          return 0;
        std::this_thread::sleep_for(before < short_waits / short_wait ? short_wait : long_wait);
        return 1;
      },
      reinterpret_cast<void*>(tries)); // NOLINT(performance-no-int-to-ptr): it is never followed
}

int truncate_log(sqlite::connection& db) {
  return sqlite3_wal_checkpoint_v2(db.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                                   nullptr);
}

failure sqlite_view::open() {
  auto code = db_.open(shared_->path);
  if (code == SQLITE_OK)
    code = configure(db_, shared_->options);
  if (code == SQLITE_OK)
    code = owner_.prepare(db_, find_owner);
  if (code == SQLITE_OK)
    code = memories_.prepare(db_, find_memories);
  if (code == SQLITE_OK)
    code = turns_.prepare(db_, find_turns);
  if (code == SQLITE_OK)
    code = summaries_.prepare(db_, find_summaries);
  if (code == SQLITE_OK)
    code = owners_.prepare(db_, list_owners);
  if (code == SQLITE_OK)
    code = groups_.prepare(db_, find_groups);
  if (code == SQLITE_OK)
    code = spoken_.prepare(db_, find_spoken);
  return code == SQLITE_OK ? failure{} : db_.explain(code);
}

caf::expected<memory_write> sqlite_view::load_part(const owner_key& owner, uint64_t after) {
  memory_write result;
  result.owner = owner;
  // One transaction over all statements: the owner cannot be forgotten and its number given to
  // another in between.
  if (auto code = db_.exec("BEGIN"); code != SQLITE_OK)
    return to_error(db_.explain(code));
  auto why = read(result, after);
  db_.exec("ROLLBACK");
  if (why)
    return to_error(why);
  return result;
}

failure sqlite_view::read(memory_write& result, uint64_t after) {
  reset_later owner_guard{owner_};
  owner_.bind(1, result.owner.tenant);
  owner_.bind(2, result.owner.owner);
  auto code = owner_.step();
  if (code == SQLITE_DONE)
    return {};
  if (code != SQLITE_ROW)
    return db_.explain(code);
  auto number = owner_.number(0);
  code = read_memories(number, result, after);
  if (code == SQLITE_DONE && after == 0)
    code = read_turns(number, result);
  if (code == SQLITE_DONE && after == 0)
    code = read_summaries(number, result);
  return code == SQLITE_DONE ? failure{} : db_.explain(code);
}

int sqlite_view::read_memories(int64_t number, memory_write& result, uint64_t after) {
  reset_later guard{memories_};
  memories_.bind(1, shared_->space);
  memories_.bind(2, number);
  memories_.bind(3, static_cast<int64_t>(after));
  memories_.bind(4, static_cast<int64_t>(part_rows));
  int code = SQLITE_DONE;
  while ((code = memories_.step()) == SQLITE_ROW) {
    auto blob = memories_.blob(8);
    if (blob.size() % sizeof(float) != 0)
      return SQLITE_CORRUPT;
    auto& vector = result.vectors.emplace_back(blob.size() / sizeof(float));
    if (!blob.empty())
      std::memcpy(vector.data(), blob.data(), blob.size());
    result.memories.push_back(to_memory(memories_));
    if (is_group(result.owner))
      result.authors.push_back(read_author(memories_.text(9)));
  }
  return code;
}

int sqlite_view::read_turns(int64_t number, memory_write& result) {
  reset_later guard{turns_};
  turns_.bind(1, number);
  int code = SQLITE_DONE;
  while ((code = turns_.step()) == SQLITE_ROW) {
    auto& x = result.turns.emplace_back();
    x.conversation = turns_.text(0);
    x.key = turns_.text(1);
    x.text_hash = static_cast<uint64_t>(turns_.number(2));
    x.reply = static_cast<uint64_t>(turns_.number(3));
    x.created = turns_.number(4);
    x.details = turns_.text(5);
  }
  return code;
}

int sqlite_view::read_summaries(int64_t number, memory_write& result) {
  reset_later guard{summaries_};
  summaries_.bind(1, number);
  int code = SQLITE_DONE;
  while ((code = summaries_.step()) == SQLITE_ROW) {
    auto& x = result.summaries.emplace_back();
    x.conversation = summaries_.text(0);
    x.text = summaries_.text(1);
    x.upto = static_cast<uint64_t>(summaries_.number(2));
  }
  return code;
}

caf::expected<std::vector<spoken_lines>> sqlite_view::spoken(const spoken_by& what) {
  reset_later guard{groups_}; // while it is stepped through, all is read of one commit
  auto author = stored_author(what.user.tenant, what.user.owner);
  groups_.bind(1, author);
  std::vector<spoken_lines> result;
  auto code = SQLITE_ROW;
  while ((code = groups_.step()) == SQLITE_ROW) {
    owner_key group{what.user.tenant, std::string{groups_.text(1)}};
    if (partition_of(group, shared_->options.partitions) != what.partition)
      continue;
    result.push_back({std::move(group), {}});
    if (code = read_spoken(groups_.number(0), author, result.back().seqs); code != SQLITE_DONE)
      break;
  }
  if (code != SQLITE_DONE)
    return to_error(db_.explain(code));
  return result;
}

int sqlite_view::read_spoken(int64_t number, const std::string& author,
                             std::vector<uint64_t>& result) {
  reset_later guard{spoken_};
  spoken_.bind(1, author);
  spoken_.bind(2, number);
  auto code = SQLITE_ROW;
  while ((code = spoken_.step()) == SQLITE_ROW)
    result.push_back(static_cast<uint64_t>(spoken_.number(0)));
  return code;
}

caf::expected<std::vector<owner_vectors>> sqlite_view::owners(const owner_key& after,
                                                              size_t limit) {
  reset_later guard{owners_};
  owners_.bind(1, shared_->space);
  owners_.bind(2, after.tenant);
  owners_.bind(3, after.owner);
  owners_.bind(4, static_cast<int64_t>(limit));
  std::vector<owner_vectors> result;
  auto code = SQLITE_ROW;
  while ((code = owners_.step()) == SQLITE_ROW)
    result.push_back({{std::string{owners_.text(0)}, std::string{owners_.text(1)}},
                      static_cast<uint64_t>(owners_.number(2))});
  if (code != SQLITE_DONE)
    return to_error(db_.explain(code));
  return result;
}

caf::expected<std::vector<std::string>> sqlite_view::spaces() {
  sqlite::statement found;
  auto code = found.prepare(db_, "SELECT name FROM spaces WHERE number IN (SELECT space FROM "
                                 "memories WHERE vector IS NOT NULL) ORDER BY name");
  std::vector<std::string> result;
  if (code == SQLITE_OK)
    while ((code = found.step()) == SQLITE_ROW)
      result.emplace_back(found.text(0));
  if (code != SQLITE_DONE)
    return to_error(db_.explain(code));
  return result;
}

failure sqlite_view::maintain() {
  auto& options = shared_->options;
  auto erased = shared_->erased && !rests() && shared_->erased.exchange(false);
  auto bytes = shared_->log_bytes.load();
  if (bytes < options.checkpoint_bytes && !erased)
    return unclean_ >= most_unclean ? unclean_why_ : failure{};
  shared_->cleanings_begun += erased ? 1 : 0;
  uint64_t left = 0;
  auto code = move_log(left);
  // Another program's reader is in the way; our own have ended by the next time.
  auto told = (code & 0xff) != SQLITE_BUSY || bytes >= options.restart_bytes;
  // Commits come faster than the disk moves them: this is tried again until the log is too large.
  auto too_large = shared_->log_bytes >= options.restart_bytes;
  if (code == SQLITE_OK && (left <= little || too_large || erased)) {
    code = finish_log(erased, too_large ? most_shut_out_at_last : most_shut_out);
    told = (code & 0xff) != SQLITE_BUSY;
  }
  shared_->cleanings_ended += erased ? 1 : 0;
  if (erased)
    cleaned(code);
  if (code != SQLITE_OK && told)
    return db_.explain(code);
  return unclean_ >= most_unclean ? unclean_why_ : failure{};
}

bool sqlite_view::rests() {
  return rest_ > 0 && rest_-- > 0;
}

void sqlite_view::cleaned(int code) {
  if (code == SQLITE_OK) {
    unclean_ = 0;
    return;
  }
  shared_->erased = true;
  rest_ = std::min(1 << std::min(unclean_++, most_unclean), longest_rest);
  unclean_why_ = db_.explain(code);
}

int sqlite_view::move_log(uint64_t& left) {
  constexpr int most_rounds = 4;
  auto code = SQLITE_OK;
  left = shared_->log_bytes;
  for (int i = 0; i < most_rounds && left > little && code == SQLITE_OK; ++i) {
    int pages = 0, moved = 0;
    code =
        sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
    auto done = static_cast<uint64_t>(std::max(moved, 0)) * shared_->frame_bytes;
    auto there = static_cast<uint64_t>(std::max(pages, 0)) * shared_->frame_bytes;
    // What was there before is moved but for what a reader still reads in the log.
    if (code == SQLITE_OK && there > done + little)
      return SQLITE_BUSY;
    auto now = shared_->log_bytes.load();
    left = now > done ? now - done : 0;
    if (now >= shared_->options.restart_bytes)
      break; // commits are too fast to be caught up with
  }
  return code;
}

int sqlite_view::finish_log(bool erased, caf::timespan most) {
  // Only where something was removed is the file cut: that takes the disk 50 ms and more, with all
  // commits waiting, and a log in place of an old one needs no new room on the disk.
  std::lock_guard first{shared_->turnstile};
  wait_promptly(db_, std::min(most, shared_->options.busy_timeout));
  auto code = erased ? truncate_log(db_)
                     : sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_FULL,
                                                 nullptr, nullptr);
  wait_promptly(db_, shared_->options.busy_timeout);
  // A commit that comes between says the right number again.
  if (code == SQLITE_OK)
    shared_->log_bytes = 0;
  return code;
}

} // namespace sotto
