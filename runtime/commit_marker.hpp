#pragma once

#include <mutex>
#include <string>

#include "runtime/postgres.hpp"

namespace sotto {

/// Tells whether a transaction was committed whose connection was lost before the answer came.
///
/// A writer has a row with the number of its last transaction, and a transaction changes it from
/// n - 1 to n, or fails. Who wants to know about n tries the same change: then either it waits for
/// the transaction to end and finds n taken, or it takes n itself, and the transaction, wherever it
/// still is on its way, can never be committed. May be used from several threads, each with a
/// connection of its own.
class commit_marker {
public:
  /// Makes the writer's row where it is missing.
  failure prepare(postgres::connection& db);

  /// Queues the change that belongs into the next transaction; the last but for COMMIT. It fails
  /// with the SQLSTATE 22012 where the number is taken.
  void queue(postgres::connection& db);
  /// The transaction's answer came: it was committed.
  void commit();
  /// The transaction's answer did not come.
  void doubt();

  bool doubtful() const;
  /// Finds out, where there is a doubt. Fails where the database cannot be asked; then the doubt
  /// remains.
  failure settle(postgres::connection& db);
  /// What was found out about the last transaction that was doubted.
  bool committed() const;

private:
  mutable std::mutex mutex_;
  std::string writer_;
  /// Of the last transaction that is over.
  int64_t number_ = 0;
  bool doubtful_ = false;
  bool committed_ = false;
};

} // namespace sotto
