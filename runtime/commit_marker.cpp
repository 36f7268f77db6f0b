#include "runtime/commit_marker.hpp"

namespace sotto {

namespace {

using postgres::parameters;

// A writer that is silent for so long makes its row anew.
constexpr auto tidy = "DELETE FROM commits WHERE changed < now() - interval '30 days'";

const postgres::statement mark{
    "WITH moved AS (UPDATE commits SET number = $2::bigint, done = true, changed = now() "
    "WHERE writer = $1::uuid AND number = $2::bigint - 1 RETURNING 1) "
    "SELECT 1 / count(*) FROM moved",
    "mark"};

const postgres::statement take{
    "INSERT INTO commits(writer, number, done) VALUES($1::uuid, $2::bigint, false) "
    "ON CONFLICT(writer) DO UPDATE SET number = excluded.number, done = false, changed = now() "
    "WHERE commits.number = excluded.number - 1"};

const postgres::statement look{"SELECT number, done FROM commits WHERE writer = $1::uuid"};

} // namespace

failure commit_marker::prepare(postgres::connection& db) {
  std::lock_guard guard{mutex_};
  if (writer_.empty()) {
    auto made = db.run(tidy);
    if (made.ok())
      made = db.run("SELECT gen_random_uuid()");
    if (!made.ok())
      return made.why();
    writer_ = made.text(0, 0);
  }
  if (doubtful_)
    return {};
  return db
      .run({"INSERT INTO commits(writer, number, done) VALUES($1::uuid, $2::bigint, true) "
            "ON CONFLICT DO NOTHING"},
           parameters{}.text(writer_).number(number_))
      .why();
}

void commit_marker::queue(postgres::connection& db) {
  std::lock_guard guard{mutex_};
  db.queue(mark, parameters{}.text(writer_).number(number_ + 1));
}

void commit_marker::commit() {
  std::lock_guard guard{mutex_};
  ++number_;
}

void commit_marker::doubt() {
  std::lock_guard guard{mutex_};
  doubtful_ = true;
}

bool commit_marker::doubtful() const {
  std::lock_guard guard{mutex_};
  return doubtful_;
}

bool commit_marker::committed() const {
  std::lock_guard guard{mutex_};
  return committed_;
}

failure commit_marker::settle(postgres::connection& db) {
  std::lock_guard guard{mutex_};
  if (!doubtful_)
    return {};
  auto done = db.run(take, parameters{}.text(writer_).number(number_ + 1));
  if (done.ok())
    done = db.run(look, parameters{}.text(writer_));
  if (!done.ok())
    return done.why();
  // With a smaller number the database was put back to an earlier time: what was not answered is
  // gone.
  committed_ = done.rows() == 1 && done.number(0, 0) == number_ + 1 && done.number(0, 1) != 0;
  if (done.rows() == 1)
    number_ = done.number(0, 0);
  doubtful_ = false;
  return {};
}

} // namespace sotto
