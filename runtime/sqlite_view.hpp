#pragma once

#include <atomic>
#include <mutex>

#include "config/store_options.hpp"
#include "runtime/sqlite.hpp"
#include "runtime/store.hpp"

namespace sotto {

/// What the committing connection and the views of a SQLite store share.
struct sqlite_shared {
  store_options options;
  std::string path;
  /// The number of `options.space`; 0 for none.
  int64_t space = 0;
  /// How much of the log's file is in use, as of the last commit (bytes). The file itself does not
  /// become shorter when the log starts anew.
  std::atomic<uint64_t> log_bytes{0};
  /// A page in the log with what stands before it (bytes).
  uint64_t frame_bytes = 0;
  /// Something was removed and may still be in the log.
  std::atomic<bool> erased{false};
  /// Times that the log began, and ended, to be truncated because of it. The committing connection
  /// may hold pages with remains in its cache, and must not write them into the new log: it drops
  /// its cache when these differ, or have changed.
  std::atomic<uint64_t> cleanings_begun{0};
  std::atomic<uint64_t> cleanings_ended{0};
  /// Every commit passes here before it asks for SQLite's lock, and whoever finishes the log stays
  /// here until it is done. SQLite gives its lock to who asks at the right moment: commits that
  /// never pause would leave none.
  std::mutex turnstile;
};

/// Settings of every connection to the store.
int configure(sqlite::connection& db, const store_options& options);

/// Moves the whole log into the database and empties it. SQLITE_BUSY where a reader is in the way.
int truncate_log(sqlite::connection& db);

/// Has waits of this connection for another's lock end soon after the lock is free. SQLite's own
/// handler sleeps ever longer between its tries, up to 0.1 s.
void wait_promptly(sqlite::connection& db, caf::timespan most);

/// A reading connection to a SQLite store.
class sqlite_view : public store_view {
public:
  explicit sqlite_view(std::shared_ptr<sqlite_shared> shared) : shared_(std::move(shared)) {}

  failure open();
  caf::expected<memory_write> load_part(const owner_key& owner, uint64_t after) override;
  caf::expected<std::vector<spoken_lines>> spoken(const spoken_by& what) override;
  caf::expected<std::vector<owner_vectors>> owners(const owner_key& after, size_t limit) override;
  caf::expected<std::vector<std::string>> spaces() override;
  failure maintain() override;

private:
  /// Moves the log into the database beside running commits, until little is left that came
  /// meanwhile. Returns SQLite's code; `left`: the rest (bytes).
  int move_log(uint64_t& left);
  /// Moves the rest with commits shut out, so that the next one starts the log anew.
  int finish_log(bool erased, caf::timespan most);
  /// Whether the log is not cleaned this time, as a reader kept it from that before.
  bool rests();
  /// The log was cleaned of what was removed, or not (SQLite's code).
  void cleaned(int code);
  failure read(memory_write& result, uint64_t after);
  int read_memories(int64_t number, memory_write& result, uint64_t after);
  int read_turns(int64_t number, memory_write& result);
  int read_summaries(int64_t number, memory_write& result);
  int read_spoken(int64_t number, const std::string& author, std::vector<uint64_t>& result);

  std::shared_ptr<sqlite_shared> shared_;
  /// Tries in a row to clean the log of what was removed that a reader kept from it.
  int unclean_ = 0;
  /// Calls of `maintain` until it is tried again.
  int rest_ = 0;
  failure unclean_why_;
  // The connection goes last: statements must be gone before it.
  sqlite::connection db_;
  sqlite::statement owner_;
  sqlite::statement memories_;
  sqlite::statement turns_;
  sqlite::statement summaries_;
  sqlite::statement owners_;
  sqlite::statement groups_;
  sqlite::statement spoken_;
};

} // namespace sotto
