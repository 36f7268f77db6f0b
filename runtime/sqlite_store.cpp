#include "runtime/sqlite_store.hpp"

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "messages/partition.hpp"
#include "runtime/data_folder.hpp"
#include "runtime/migrations.hpp"
#include "runtime/sqlite_view.hpp"

namespace sotto {

namespace {

constexpr size_t max_field = 256 << 20;

/// What can be said of a write without the database.
failure check(const store_write& x) {
  if (x.what != store_write::kind::insert)
    return {};
  if (!x.vectors.empty() && x.vectors.size() != x.memories.size())
    return {ec::invalid, "there must be no vectors or one a memory", "vectors"};
  for (auto& m : x.memories) {
    if (m.id.empty())
      return {ec::invalid, "a memory without an id cannot be stored", "id"};
    if (m.seq == 0 || m.seq > INT64_MAX)
      return {ec::invalid, "a memory without a place in the order of arrival cannot be stored",
              "seq"};
    if (m.text.size() + m.metadata.size() + m.id.size() > max_field)
      return {ec::too_large, fmt::format("a memory is larger than {} bytes", max_field), "text"};
  }
  return {};
}

/// Whether a failed statement says something about its write, not about the database.
bool blames_write(int code) {
  auto primary = code & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG;
}

class sqlite_store : public store {
public:
  explicit sqlite_store(store_options options) : shared_(std::make_shared<sqlite_shared>()) {
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
  int prepare();

  enum class outcome { done, retry, failed };
  outcome attempt(std::span<const store_write> writes, std::vector<failure>& results, bool guarded);
  int run(const store_write& x);
  int insert(const store_write& x);
  int insert_row(int64_t number, const memory& m, std::span<const float> vector);
  int remove(const store_write& x);
  int forget(const store_write& x);
  /// The owner's number; 0 in `number` for an unknown one that is not to be `added`.
  int number_of(const owner_key& owner, bool add, int64_t& number);
  outcome fail(int code);
  failure blame(int code);

  std::shared_ptr<sqlite_shared> shared_;
  std::unique_ptr<data_folder> folder_;
  sqlite::connection db_;
  sqlite::statement begin_, commit_, find_owner_, add_owner_, add_memory_, remove_, forget_rows_,
      forget_owner_;
  std::unordered_map<owner_key, int64_t> numbers_;
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

int sqlite_store::prepare() {
  auto code = SQLITE_OK;
  auto next = [&](sqlite::statement& x, std::string_view sql) {
    if (code == SQLITE_OK)
      code = x.prepare(db_, sql);
  };
  next(begin_, "BEGIN IMMEDIATE");
  next(commit_, "COMMIT");
  next(find_owner_, "SELECT number FROM owners WHERE tenant = ? AND owner = ?");
  next(add_owner_, "INSERT INTO owners(tenant, owner, partition) VALUES(?, ?, ?)");
  next(add_memory_, "INSERT INTO memories(owner, seq, id, text, speaker, conversation, metadata, "
                    "created, own, vector) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  next(remove_, "DELETE FROM memories WHERE owner = ? AND id = ?");
  next(forget_rows_, "DELETE FROM memories WHERE owner = ?");
  next(forget_owner_, "DELETE FROM owners WHERE number = ?");
  return code;
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
  if (code == SQLITE_OK)
    code = prepare();
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
  if (auto code = begin_.run(); code != SQLITE_OK)
    return fail(code);
  bool erases = false;
  for (size_t i = 0; i < writes.size(); ++i) {
    if (results[i])
      continue;
    if (guarded)
      if (auto code = db_.exec("SAVEPOINT one"); code != SQLITE_OK)
        return fail(code);
    auto code = run(writes[i]);
    erases = erases || writes[i].what != store_write::kind::insert;
    if (code != SQLITE_OK) {
      if (!blames_write(code))
        return fail(code);
      if (!guarded) {
        fail(code);
        return outcome::retry;
      }
      results[i] = blame(code);
      numbers_.erase(writes[i].owner);
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

sqlite_store::outcome sqlite_store::fail(int code) {
  why_ = db_.explain(code);
  auto primary = code & 0xff;
  broken_ = broken_ || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB
            || code == SQLITE_IOERR_FSYNC;
  if (sqlite3_get_autocommit(db_.handle()) == 0)
    db_.exec("ROLLBACK");
  numbers_.clear();
  return outcome::failed;
}

failure sqlite_store::blame(int code) {
  if ((code & 0xff) == SQLITE_TOOBIG)
    return {ec::too_large, "a memory is larger than the store can hold", "text"};
  if (code == SQLITE_CONSTRAINT_UNIQUE)
    return {ec::invalid, "the owner has a memory with this id already", "id"};
  if (code == SQLITE_CONSTRAINT_PRIMARYKEY)
    return {ec::invalid, "the owner has a memory at this place in the order of arrival already",
            "seq"};
  return {ec::invalid, sqlite3_errmsg(db_.handle()), {}};
}

int sqlite_store::run(const store_write& x) {
  switch (x.what) {
  case store_write::kind::insert:
    return insert(x);
  case store_write::kind::remove:
    return remove(x);
  case store_write::kind::forget:
    return forget(x);
  }
  return SQLITE_CONSTRAINT;
}

int sqlite_store::insert(const store_write& x) {
  int64_t number = 0;
  auto code = x.memories.empty() ? SQLITE_OK : number_of(x.owner, true, number);
  for (size_t i = 0; code == SQLITE_OK && i < x.memories.size(); ++i)
    code = insert_row(number, x.memories[i],
                      x.vectors.empty() ? std::span<const float>{} : x.vectors[i]);
  return code;
}

int sqlite_store::insert_row(int64_t number, const memory& m, std::span<const float> vector) {
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
  return code == SQLITE_OK ? add_memory_.run() : code;
}

int sqlite_store::remove(const store_write& x) {
  int64_t number = 0;
  if (auto code = number_of(x.owner, false, number); code != SQLITE_OK || number == 0)
    return code;
  remove_.bind(1, number);
  remove_.bind(2, x.id);
  return remove_.run();
}

int sqlite_store::forget(const store_write& x) {
  int64_t number = 0;
  if (auto code = number_of(x.owner, false, number); code != SQLITE_OK || number == 0)
    return code;
  numbers_.erase(x.owner);
  forget_rows_.bind(1, number);
  forget_owner_.bind(1, number);
  auto code = forget_rows_.run();
  return code == SQLITE_OK ? forget_owner_.run() : code;
}

int sqlite_store::number_of(const owner_key& owner, bool add, int64_t& number) {
  if (auto i = numbers_.find(owner); i != numbers_.end()) {
    number = i->second;
    return SQLITE_OK;
  }
  find_owner_.bind(1, owner.tenant);
  find_owner_.bind(2, owner.owner);
  auto code = find_owner_.step();
  number = code == SQLITE_ROW ? find_owner_.number(0) : 0;
  find_owner_.reset();
  if (code == SQLITE_DONE && add) {
    add_owner_.bind(1, owner.tenant);
    add_owner_.bind(2, owner.owner);
    add_owner_.bind(3, int64_t{partition_of(owner, shared_->options.partitions)});
    if (code = add_owner_.run(); code != SQLITE_OK)
      return code;
    number = sqlite3_last_insert_rowid(db_.handle());
  } else if (code != SQLITE_DONE && code != SQLITE_ROW) {
    return code;
  }
  if (number == 0)
    return SQLITE_OK;
  if (numbers_.size() >= shared_->options.owner_cache)
    numbers_.clear();
  numbers_.emplace(owner, number);
  return SQLITE_OK;
}

caf::expected<std::unique_ptr<store_view>> sqlite_store::view() {
  auto result = std::make_unique<sqlite_view>(shared_);
  if (auto why = result->open())
    return to_error(why);
  return std::unique_ptr<store_view>{std::move(result)};
}

void sqlite_store::close() {
  for (auto x : {&begin_, &commit_, &find_owner_, &add_owner_, &add_memory_, &remove_,
                 &forget_rows_, &forget_owner_})
    x->finish();
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
