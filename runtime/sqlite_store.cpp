#include "runtime/sqlite_store.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/data_folder.hpp"
#include "runtime/memory_table.hpp"
#include "runtime/migrations.hpp"
#include "runtime/sqlite_view.hpp"
#include "runtime/store_checks.hpp"

namespace sotto {

namespace {

/// Whether a failed statement says something about its write, not about the database.
bool blames_write(int code) {
  auto primary = code & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG;
}

class sqlite_store : public store {
public:
  explicit sqlite_store(store_options options)
      : shared_(std::make_shared<sqlite_shared>()),
        table_(options.partitions, options.owner_cache) {
    shared_->path = (options.folder / "sotto.db").string();
    shared_->options = std::move(options);
  }
  ~sqlite_store() override { close(); }

  failure open();
  std::vector<failure> apply(std::span<const store_write> writes) override;
  caf::expected<std::unique_ptr<store_view>> view() override;
  void close() override;

private:
  failure create_file();
  failure check_whole();
  /// Has every commit say how long the log is.
  void watch_log();
  /// Finds or adds the number of the embedder whose vectors are stored.
  int find_space();

  enum class outcome { done, retry, failed };
  outcome attempt(std::span<const store_write> writes, std::vector<failure>& results, bool guarded);
  /// In a transaction: drops cached pages that may hold what the log was just cleaned of.
  void drop_remains();
  outcome fail(int code);
  failure blame(int code);

  std::shared_ptr<sqlite_shared> shared_;
  std::unique_ptr<data_folder> folder_;
  sqlite::connection db_;
  sqlite::statement begin_, commit_;
  memory_table table_;
  /// The cleaning of the log after which the cache was dropped.
  uint64_t cleaned_ = 0;
  /// Why the last transaction failed.
  failure why_;
  /// Damage and a failed fsync stay: after them, what the database says it has written is not
  /// to be believed.
  bool broken_ = false;
};

failure sqlite_store::create_file() {
  namespace fs = std::filesystem;
  std::error_code none;
  auto& path = shared_->path;
  auto bytes = fs::exists(path, none) ? fs::file_size(path, none) : 0;
  // SQLite would drop the log of an empty database, and with it what was acknowledged.
  auto log = fs::file_size(path + "-wal", none);
  if (bytes == 0 && !none && log > 0)
    return {
        ec::storage_failed,
        fmt::format("{}: is missing or empty but its log {}-wal has {} bytes; restore both from "
                    "a backup, or move the log away to start anew",
                    path, path, log),
        {}};
  auto descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return {ec::storage_failed,
            fmt::format("{}: cannot be opened: {}; the folder and its files must be readable and "
                        "writable by the node's user",
                        path, std::strerror(errno)),
            {}};
  ::close(descriptor);
  auto folder = ::open(shared_->options.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    ::close(folder);
  }
  return {};
}

failure sqlite_store::check_whole() {
  auto pages = db_.number("PRAGMA page_count", 0);
  auto bytes = static_cast<uint64_t>(pages * db_.number("PRAGMA page_size", 0));
  if (bytes > shared_->options.check_bytes)
    return {};
  sqlite::statement query;
  auto code = query.prepare(db_, "PRAGMA quick_check(1)");
  if (code == SQLITE_OK)
    code = query.step();
  if (code != SQLITE_ROW)
    return db_.explain(code);
  if (query.text(0) == "ok")
    return {};
  auto why = db_.explain(SQLITE_CORRUPT);
  why.message += fmt::format(" (quick_check: {})", query.text(0));
  return why;
}

void sqlite_store::watch_log() {
  constexpr uint64_t frame_head = 24;
  shared_->frame_bytes = static_cast<uint64_t>(db_.number("PRAGMA page_size", 0)) + frame_head;
  sqlite3_wal_hook(
      db_.handle(),
      [](void* shared, sqlite3*, const char*, int pages) {
        auto& x = *static_cast<sqlite_shared*>(shared);
        x.log_bytes = static_cast<uint64_t>(pages) * x.frame_bytes;
        return SQLITE_OK;
      },
      shared_.get());
}

int sqlite_store::find_space() {
  auto& name = shared_->options.space;
  if (name.empty())
    return SQLITE_OK;
  sqlite::statement add, find;
  auto code = add.prepare(db_, "INSERT INTO spaces(name) VALUES(?) ON CONFLICT DO NOTHING");
  if (code == SQLITE_OK)
    code = find.prepare(db_, "SELECT number FROM spaces WHERE name = ?");
  if (code != SQLITE_OK)
    return code;
  add.bind(1, name);
  if (code = add.run(); code != SQLITE_OK)
    return code;
  find.bind(1, name);
  if (code = find.step(); code != SQLITE_ROW)
    return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
  shared_->space = find.number(0);
  return SQLITE_OK;
}

failure sqlite_store::open() {
  auto folder = data_folder::open(shared_->options.folder);
  if (!folder)
    return to_failure(folder.error());
  folder_ = std::move(*folder);
  if (auto why = create_file())
    return why;
  auto code = db_.open(shared_->path);
  if (code == SQLITE_OK)
    code = configure(db_, shared_->options);
  if (code != SQLITE_OK)
    return db_.explain(code);
  if (auto why = migrate(db_))
    return why;
  if (auto why = check_whole())
    return why;
  code = db_.exec("PRAGMA journal_mode = WAL");
  // What was removed just before a crash may still be in the log.
  if (code == SQLITE_OK)
    code = truncate_log(db_);
  watch_log();
  if (code == SQLITE_OK)
    code = begin_.prepare(db_, "BEGIN IMMEDIATE");
  if (code == SQLITE_OK)
    code = commit_.prepare(db_, "COMMIT");
  if (code == SQLITE_OK)
    code = find_space();
  if (code == SQLITE_OK)
    code = table_.prepare(db_, shared_->space);
  return code == SQLITE_OK ? failure{} : db_.explain(code);
}

std::vector<failure> sqlite_store::apply(std::span<const store_write> writes) {
  std::vector<failure> results;
  results.reserve(writes.size());
  for (auto& x : writes)
    results.push_back(check(x));
  auto good = [](const failure& x) { return !x; };
  if (std::none_of(results.begin(), results.end(), good))
    return results;
  // Savepoints cost a copy of every page touched: they are used once a write was refused.
  auto how = broken_ ? outcome::failed : attempt(writes, results, false);
  if (how == outcome::retry)
    how = attempt(writes, results, true);
  if (how == outcome::done)
    return results;
  std::fill(results.begin(), results.end(), why_);
  return results;
}

sqlite_store::outcome sqlite_store::attempt(std::span<const store_write> writes,
                                            std::vector<failure>& results, bool guarded) {
  { std::lock_guard pass{shared_->turnstile}; }
  if (auto code = begin_.run(); code != SQLITE_OK)
    return fail(code);
  drop_remains();
  bool erases = false;
  for (size_t i = 0; i < writes.size(); ++i) {
    if (results[i])
      continue;
    if (guarded)
      if (auto code = db_.exec("SAVEPOINT one"); code != SQLITE_OK)
        return fail(code);
    auto code = table_.apply(writes[i]);
    erases = erases || writes[i].what == store_write::kind::remove
             || writes[i].what == store_write::kind::forget;
    if (code != SQLITE_OK) {
      if (!blames_write(code))
        return fail(code);
      if (!guarded) {
        fail(code);
        return outcome::retry;
      }
      results[i] = blame(code);
      table_.lose(writes[i].owner);
      code = db_.exec("ROLLBACK TO one");
    }
    if (guarded && code == SQLITE_OK)
      code = db_.exec("RELEASE one");
    if (code != SQLITE_OK)
      return fail(code);
  }
  if (auto code = commit_.run(); code != SQLITE_OK)
    return fail(code);
  if (erases)
    shared_->erased = true;
  return outcome::done;
}

void sqlite_store::drop_remains() {
  auto ended = shared_->cleanings_ended.load();
  if (ended == cleaned_ && shared_->cleanings_begun.load() == ended)
    return;
  sqlite3_db_release_memory(db_.handle());
  cleaned_ = ended;
}

sqlite_store::outcome sqlite_store::fail(int code) {
  why_ = db_.explain(code);
  auto primary = code & 0xff;
  broken_ = broken_ || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB
            || code == SQLITE_IOERR_FSYNC;
  if (sqlite3_get_autocommit(db_.handle()) == 0)
    db_.exec("ROLLBACK");
  table_.lose();
  return outcome::failed;
}

failure sqlite_store::blame(int code) {
  if ((code & 0xff) == SQLITE_TOOBIG)
    return {ec::too_large, "a memory is larger than the store can hold", "text"};
  if (code == SQLITE_CONSTRAINT_UNIQUE)
    return {ec::invalid, "the owner has a memory at this place in the order of arrival already",
            "seq"};
  return {ec::invalid, sqlite3_errmsg(db_.handle()), {}};
}

caf::expected<std::unique_ptr<store_view>> sqlite_store::view() {
  auto result = std::make_unique<sqlite_view>(shared_);
  if (auto why = result->open())
    return to_error(why);
  return std::unique_ptr<store_view>{std::move(result)};
}

void sqlite_store::close() {
  begin_.finish();
  commit_.finish();
  table_.finish();
  if (db_.handle() && folder_ && !broken_)
    truncate_log(db_);
  db_.close();
  folder_.reset();
  broken_ = true;
  why_ = {ec::unavailable, "the store is closed", {}};
}

} // namespace

caf::expected<std::unique_ptr<store>> open_sqlite_store(store_options options) {
  auto result = std::make_unique<sqlite_store>(std::move(options));
  if (auto why = result->open())
    return to_error(why);
  return std::unique_ptr<store>{std::move(result)};
}

} // namespace sotto
