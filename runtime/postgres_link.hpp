#pragma once

#include <functional>

#include "config/store_options.hpp"
#include "runtime/clock.hpp"
#include "runtime/postgres.hpp"

namespace sotto {

/// The connection's target as the options say it.
postgres::target target_of(const store_options& options);

/// What is told to who asked for something while the database is gone. Where it is, is for the log.
failure gone();

/// Blocks the thread.
void wait_nanos(int64_t time);

/// How time passes for a link (nanoseconds): it is used by threads that may block and have no
/// actor's clock. Tests let it pass by themselves.
struct link_time {
  std::function<int64_t()> now = monotonic_nanos;
  std::function<void(int64_t)> wait = wait_nanos;
};

/// A connection that is opened again when it was lost. Used by one thread at a time, which it
/// blocks while it waits.
///
/// Who needs the database waits for it, with growing pauses between the tries, until `patience` has
/// gone by since it was first found gone; from then on there is an answer at once, and a try at
/// most every second, until it is back.
class postgres_link {
public:
  /// `prepare`: what a new connection needs before it is used; its failure closes it.
  postgres_link(postgres::target to, caf::timespan patience,
                std::function<failure(postgres::connection&)> prepare, link_time time = {})
      : to_(std::move(to)), patience_(patience.count()), prepare_(std::move(prepare)),
        time_(std::move(time)) {}

  /// The connection is open when this returns nothing. Else it failed with `ec::unavailable`, or
  /// with what must be changed first.
  failure ready();
  /// The connection did what it was for: the next loss is a new one.
  void worked() { gone_ = 0; }
  /// Whether there is time for another try after the connection was lost.
  bool patient() const;
  postgres::connection& db() { return db_; }

private:
  failure attempt();
  void tell(int64_t now);

  postgres::target to_;
  int64_t patience_;
  std::function<failure(postgres::connection&)> prepare_;
  link_time time_;
  postgres::connection db_;
  /// Since when the database is gone (nanoseconds of `time_`); 0: it is not.
  int64_t gone_ = 0;
  int64_t next_try_ = 0;
  int64_t pause_ = 0;
  /// The log says that it is gone.
  bool told_ = false;
  failure why_;
};

} // namespace sotto
