#include "runtime/postgres_store.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "messages/moved.hpp"
#include "messages/partition.hpp"
#include "runtime/postgres_migrations.hpp"
#include "runtime/postgres_table.hpp"
#include "runtime/postgres_view.hpp"
#include "runtime/store_checks.hpp"

namespace sotto {

namespace {

using postgres::parameters;
using postgres::result;
using postgres::statement;
using writes_view = std::span<const store_write* const>;

const statement begin{"BEGIN", "begin"}, commit{"COMMIT", "commit"};

// In one order, as those who claim several do: so that none waits for the other.
const statement hold_partitions{
    "SELECT number, epoch, COALESCE(incarnation = $2::uuid, false) FROM partitions "
    "WHERE number = ANY($1::bigint[]) ORDER BY number FOR SHARE",
    "hold_partitions"};

/// Whether a failed statement says something about its write, not about the database.
bool blames_write(const result& x) {
  auto& state = x.state();
  return state == "23505" || state == "23514" || state == "54000" || state.starts_with("220");
}

failure blame(const result& x) {
  if (x.state() == "23505")
    return {ec::invalid, "the owner has a memory at this place in the order of arrival already",
            "seq"};
  if (x.state() == "54000")
    return {ec::too_large, "a memory is larger than the store can hold", "text"};
  return {ec::invalid, x.why().message, {}};
}

class postgres_store : public store {
public:
  postgres_store(store_options options, std::shared_ptr<const fence> fence)
      : shared_(std::make_shared<postgres_shared>()), fence_(std::move(fence)),
        link_(target_of(options), options.write_patience,
              [this](postgres::connection& db) { return prepare(db); }) {
    shared_->options = std::move(options);
  }

  failure open();
  std::vector<failure> apply(std::span<const store_write> writes) override;
  caf::expected<std::unique_ptr<store_view>> view() override;
  void close() override;

private:
  struct one_write {
    const store_write* what;
    failure* result;
  };
  using batch = std::vector<one_write>;

  /// How a transaction ended: `refused` and nothing was changed, a write is to blame; `doubtful`
  /// and it is not known.
  enum class outcome { done, refused, failed, doubtful };

  failure prepare(postgres::connection& db);
  failure take_place(postgres::connection& db);
  failure find_space(postgres::connection& db);

  /// Why the batch failed as a whole, if it did.
  failure apply(batch writes);
  /// What is told when there is no time left for another try.
  failure unknown(bool ours, const failure& why) const;
  outcome attempt(const batch& writes, bool guarded);
  outcome hold(batch& writes);
  outcome write(const batch& writes, bool guarded);
  outcome guarded_write(const batch& writes);
  /// What the answers to a transaction, or to a part of it, say of it.
  outcome judge(const std::vector<result>& answers, const result** first);
  outcome finish(outcome how);

  std::shared_ptr<postgres_shared> shared_;
  std::shared_ptr<const fence> fence_;
  postgres_link link_;
  /// Of the last connection: its process, and when that began.
  std::string backend_;
  bool migrated_ = false;
  bool closed_ = false;
  /// Why the last transaction failed.
  failure why_;
};

failure postgres_store::open() {
  auto why = link_.ready();
  if (!why)
    link_.worked();
  return why;
}

failure postgres_store::prepare(postgres::connection& db) {
  db.run("SET client_connection_check_interval = '5s'");
  // A node that is stopped inside a transaction must not keep its partitions from being claimed.
  db.run("SET idle_in_transaction_session_timeout = '2s'");
  // Acknowledged is what is on the disk, whatever the database's default is.
  auto done = db.run("SELECT set_config('synchronous_commit', 'on', false) "
                     "WHERE current_setting('synchronous_commit') = 'off'");
  if (!done.ok())
    return done.why();
  if (auto why = take_place(db))
    return why;
  if (!migrated_)
    if (auto why = migrate(db, shared_->options.partitions))
      return why;
  migrated_ = true;
  if (auto why = find_space(db))
    return why;
  return shared_->marker.prepare(db);
}

/// One node alone, or several with fences: a lock that lives as long as the connection.
failure postgres_store::take_place(postgres::connection& db) {
  // What is left of our own last connection holds it still.
  auto done = db.run({"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                      "WHERE pid || ' ' || backend_start = $1::text AND pid <> pg_backend_pid()"},
                     parameters{}.text(backend_));
  auto backend = done.ok() ? db.run("SELECT pid || ' ' || backend_start FROM pg_stat_activity "
                                    "WHERE pid = pg_backend_pid()")
                           : result{};
  if (done.ok())
    done = db.run({fence_ ? "SELECT pg_try_advisory_lock_shared(hashtext('sotto node'), "
                            "hashtext($1::text))"
                          : "SELECT pg_try_advisory_lock(hashtext('sotto node'), "
                            "hashtext($1::text))"},
                  parameters{}.text(db.to().schema));
  if (!done.ok())
    return done.why();
  if (done.number(0, 0) != 0) {
    backend_ = backend.rows() == 1 ? backend.text(0, 0) : "";
    return {};
  }
  // It may be about to end: that is waited for.
  return {
      ec::unavailable,
      fmt::format("{}: another node uses the schema \"{}\"; end it, or give another schema with "
                  "store.schema",
                  postgres::describe(db.to().url), db.to().schema),
      {}};
}

failure postgres_store::find_space(postgres::connection& db) {
  auto& name = shared_->options.space;
  if (name.empty() || shared_->space != 0)
    return {};
  auto named = parameters{}.bytes(name);
  auto done = db.run({"INSERT INTO spaces(name) SELECT $1::bytea WHERE NOT EXISTS "
                      "(SELECT FROM spaces WHERE name = $1::bytea) ON CONFLICT DO NOTHING"},
                     named);
  if (done.ok())
    done = db.run({"SELECT number FROM spaces WHERE name = $1::bytea"}, named);
  if (done.ok())
    shared_->space = done.number(0, 0);
  return done.why();
}

std::vector<failure> postgres_store::apply(std::span<const store_write> writes) {
  std::vector<failure> results;
  results.reserve(writes.size());
  batch good;
  for (auto& x : writes)
    if (!results.emplace_back(check(x)))
      good.push_back({&x, &results.back()});
  if (good.empty())
    return results;
  auto why = closed_ ? failure{ec::unavailable, "the store is closed", {}} : apply(good);
  if (why)
    for (auto& x : good)
      *x.result = why;
  return results;
}

failure postgres_store::apply(batch writes) {
  auto& marker = shared_->marker;
  auto forgive = [&] {
    for (auto& x : writes)
      *x.result = {};
  };
  // A doubt that was left by an earlier batch is not this one's.
  auto ours = false;
  do {
    auto why = link_.ready();
    auto unreached = static_cast<bool>(why);
    if (!unreached && (why = marker.settle(link_.db())))
      link_.db().close();
    if (ours && !marker.doubtful() && marker.committed()) {
      if (!why)
        link_.worked();
      return {};
    }
    if (unreached)
      return unknown(ours, why);
    if (why) {
      why_ = why;
      continue;
    }
    forgive();
    ours = false;
    auto how = attempt(writes, false);
    if (how == outcome::refused) {
      forgive();
      how = attempt(writes, true);
    }
    if (how != outcome::doubtful) {
      link_.worked();
      return how == outcome::done ? failure{} : why_;
    }
    marker.doubt();
    ours = true;
  } while (link_.patient());
  return unknown(ours, why_);
}

failure postgres_store::unknown(bool ours, const failure& why) const {
  if (ours && shared_->marker.doubtful())
    return {
        ec::timeout, "the store's database was lost; it is not known whether this was stored", {}};
  return why.code == ec::unavailable ? gone() : why;
}

postgres_store::outcome postgres_store::attempt(const batch& writes, bool guarded) {
  auto kept = writes;
  link_.db().queue(begin);
  if (fence_)
    if (auto how = hold(kept); how != outcome::done)
      return finish(how);
  return finish(write(kept, guarded));
}

postgres_store::outcome postgres_store::hold(batch& writes) {
  std::set<int64_t> partitions;
  for (auto& x : writes)
    partitions.insert(partition_of(x.what->owner, shared_->options.partitions));
  std::vector<int64_t> numbers{partitions.begin(), partitions.end()};
  link_.db().queue(hold_partitions, parameters{}.numbers(numbers).text(fence_->incarnation()));
  auto answers = link_.db().collect();
  const result* first = nullptr;
  if (auto how = judge(answers, &first); how != outcome::done)
    return how;
  std::map<int64_t, uint64_t> ours;
  auto& rows = answers[1];
  for (int i = 0; i < rows.rows(); ++i) {
    auto epoch = fence_->epoch_of(static_cast<uint32_t>(rows.number(i, 0)));
    if (rows.number(i, 2) != 0 && epoch && static_cast<int64_t>(*epoch) == rows.number(i, 1))
      ours[rows.number(i, 0)] = *epoch;
  }
  // What we serve again was read anew, without what was made before and comes late.
  std::erase_if(writes, [&](auto& x) {
    auto at = ours.find(partition_of(x.what->owner, shared_->options.partitions));
    if (at != ours.end() && at->second == x.what->epoch)
      return false;
    *x.result = partition_moved();
    return true;
  });
  return outcome::done;
}

postgres_store::outcome postgres_store::write(const batch& writes, bool guarded) {
  if (guarded) {
    if (auto how = guarded_write(writes); how != outcome::done)
      return how;
  } else {
    std::vector<const store_write*> all;
    for (auto& x : writes)
      all.push_back(x.what);
    postgres_table{shared_->options.partitions, shared_->space}.queue(link_.db(), all);
  }
  shared_->marker.queue(link_.db());
  link_.db().queue(commit);
  auto answers = link_.db().collect();
  const result* first = nullptr;
  return judge(answers, &first);
}

/// Halves what fails until the writes to blame are found.
postgres_store::outcome postgres_store::guarded_write(const batch& writes) {
  if (writes.empty())
    return outcome::done;
  auto& db = link_.db();
  db.queue({"SAVEPOINT one"});
  std::vector<const store_write*> all;
  for (auto& x : writes)
    all.push_back(x.what);
  postgres_table{shared_->options.partitions, shared_->space}.queue(db, all);
  db.queue({"RELEASE one"});
  auto answers = db.collect();
  const result* first = nullptr;
  auto how = judge(answers, &first);
  if (how != outcome::refused)
    return how;
  auto back = db.run("ROLLBACK TO one; RELEASE one");
  if (!back.ok()) {
    why_ = back.why();
    return outcome::doubtful;
  }
  if (writes.size() == 1) {
    *writes.front().result = blame(*first);
    return outcome::done;
  }
  auto middle = writes.begin() + static_cast<std::ptrdiff_t>(writes.size() / 2);
  how = guarded_write({writes.begin(), middle});
  return how == outcome::done ? guarded_write({middle, writes.end()}) : how;
}

postgres_store::outcome postgres_store::judge(const std::vector<result>& answers,
                                              const result** first) {
  for (auto& x : answers) {
    if (x.ok())
      continue;
    *first = &x;
    why_ = x.why();
    if (x.lost() || x.state() == "22012") // the marker's number was taken: look at it again
      return outcome::doubtful;
    return blames_write(x) ? outcome::refused : outcome::failed;
  }
  return outcome::done;
}

postgres_store::outcome postgres_store::finish(outcome how) {
  if (how == outcome::done) {
    shared_->marker.commit();
    return how;
  }
  auto& db = link_.db();
  if (db.alive() && !db.run("ROLLBACK").ok())
    db.close();
  if (why_.code == ec::unavailable)
    db.close(); // a server that became a standby is found elsewhere
  return how == outcome::doubtful || db.alive() ? how : outcome::doubtful;
}

caf::expected<std::unique_ptr<store_view>> postgres_store::view() {
  auto result = std::make_unique<postgres_view>(shared_);
  if (auto why = result->open())
    return to_error(why);
  return std::unique_ptr<store_view>{std::move(result)};
}

void postgres_store::close() {
  link_.db().close();
  closed_ = true;
}

} // namespace

caf::expected<std::unique_ptr<store>> open_postgres_store(store_options options,
                                                          std::shared_ptr<const fence> fence) {
  auto result = std::make_unique<postgres_store>(std::move(options), std::move(fence));
  if (auto why = result->open())
    return to_error(why);
  return std::unique_ptr<store>{std::move(result)};
}

} // namespace sotto
