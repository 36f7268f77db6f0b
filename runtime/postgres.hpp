#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <caf/timespan.hpp>

#include "messages/error.hpp"

/// PostgreSQL by libpq, as little of it as is needed. No call blocks longer than the times in
/// `target`; no message holds a password.
struct pg_conn;
struct pg_result;

namespace sotto::postgres {

/// The database and how it is spoken to.
struct target {
  /// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?...` or `host=... dbname=...`, as libpq has it.
  /// What is not said comes from libpq's variables (PGPASSFILE and the like).
  std::string url = {};
  /// Put first into the search path; empty: the database's own.
  std::string schema = {};
  /// Longest wait until the connection stands, over all hosts of the URL, name look-up apart.
  caf::timespan connect_timeout = std::chrono::seconds{5};
  /// Longest wait for the answer to one `run` or `collect`; the connection is closed after it.
  caf::timespan answer_timeout = std::chrono::seconds{30};
  /// What the database shows of who is connected.
  std::string application = "sotto";
};

/// What is wrong with the URL; nothing where it can be understood.
failure check_url(const std::string& url);
/// The database for people: hosts, ports and name, without password and options.
std::string describe(const std::string& url);
/// As an identifier within a statement.
std::string quoted_name(std::string_view name);

/// Where the server can, it gives up within a lease a client that is cut off, and with it the locks
/// of a transaction of which the end has not come. (One that waits for its next statement has
/// `idle_in_transaction_session_timeout` for that.)
inline constexpr const char* notice_loss =
    "SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2; "
    "SET tcp_user_timeout = 3000";

enum class format { text, binary };

/// The values of $1, $2, ... in a statement. Texts and bytes are copied.
class parameters {
public:
  /// Of whatever type the statement makes of it, as in `$1::uuid`.
  parameters& text(std::string_view x);
  parameters& number(int64_t x);
  parameters& real(double x);
  parameters& flag(bool x);
  parameters& bytes(std::string_view x);
  parameters& null();
  /// Arrays: bigint[], bytea[], text[].
  parameters& numbers(std::span<const int64_t> x);
  parameters& byte_strings(std::span<const std::string_view> x);
  /// An element without data is a null.
  parameters& byte_strings_or_null(std::span<const std::string_view> x);
  parameters& texts(std::span<const std::string> x);

private:
  friend class connection;
  parameters& add(std::optional<std::string> value, unsigned type, int format);

  std::vector<std::optional<std::string>> values_;
  std::vector<unsigned> types_;
  std::vector<int> formats_;
};

/// SQL text. With a name it is prepared at its first use on a connection; one name, one text.
struct statement {
  const char* sql;
  const char* name = "";
};

/// What a statement returned, or why it failed.
class result {
public:
  result() = default;
  /// Takes `rows` over.
  result(pg_result* rows, failure why, std::string state);

  bool ok() const { return !why_; }
  /// `ec::unavailable` where the database cannot be reached or is starting or stopping; else
  /// `ec::storage_failed`. The message names the database.
  const failure& why() const { return why_; }
  /// The SQLSTATE of a failure; "08006" where the connection was lost: then it is not known whether
  /// the statement was done.
  const std::string& state() const { return state_; }
  /// The connection is gone and must be opened anew.
  bool lost() const { return state_ == "08006"; }
  /// Not run, because a statement before it in the same `collect` failed.
  bool skipped() const { return state_ == "00S00"; }

  int rows() const;
  /// Rows that an INSERT, UPDATE or DELETE changed.
  int64_t changed() const;
  /// What was done, such as COMMIT.
  std::string_view tag() const;
  bool null(int row, int column) const;
  /// The value as it came: of text and bytea in binary format their bytes. Valid while this lives.
  std::string_view text(int row, int column) const;
  /// Of an integer or a boolean, in either format; 0 for a null.
  int64_t number(int row, int column) const;

private:
  struct clear {
    void operator()(pg_result* x) const;
  };
  std::unique_ptr<pg_result, clear> rows_;
  failure why_;
  std::string state_;
};

struct notification {
  std::string channel;
  std::string payload;
};

/// A connection. Used by one thread at a time. A lost one says so in `alive` and may be opened
/// again; what was prepared and listened to is gone then.
class connection {
public:
  connection() = default;
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(); }

  /// Closes what was open. Fails with `ec::unavailable` where another try may help, and with
  /// `ec::storage_failed` where the URL, the user or the database must be changed first.
  failure open(const target& to);
  void close();
  bool alive() const { return handle_ != nullptr; }

  /// Runs one statement; without parameters and name it may be several, separated by semicolons.
  result run(const statement& what, const parameters& with = {}, format how = format::text);
  result run(const std::string& sql) { return run(statement{sql.c_str()}); }

  /// Sends a statement without waiting for what it returns. The first one that fails ends all
  /// behind it up to `collect`; a transaction goes over several calls of `collect` where it is not
  /// ended.
  void queue(const statement& what, const parameters& with = {}, format how = format::text);
  /// Waits for everything queued: one result a statement, in order.
  std::vector<result> collect();

  /// Makes what others NOTIFY on the channel come out of `wait`.
  failure listen(std::string_view channel);
  /// The next notification, if one comes in time. Returns at once when the connection is lost.
  std::optional<notification> wait(caf::timespan longest);
  /// For waiting by other means; -1 when it is not open. `wait(0)` takes what came.
  int socket() const;

  const target& to() const { return to_; }

private:
  using instant = int64_t;

  failure begin(instant until);
  bool prepared(const statement& what, const parameters& with);
  bool send(const statement& what, const parameters& with, format how);
  bool flush(instant until);
  /// Waits until a result can be taken without blocking.
  bool ready(instant until);
  result take(pg_result* x);
  /// What the server answers to one queued statement, and to preparing it where `prepares`.
  result answer(const char* prepares, instant until);
  result next(instant until);
  result lose(std::string_view why);
  std::string scrubbed(std::string_view message) const;

  target to_;
  std::string name_, password_;
  pg_conn* handle_ = nullptr;
  /// Names that this connection knows.
  std::set<std::string, std::less<>> prepared_;
  /// Of each queued statement, under which name preparing it went before; null for none.
  std::vector<const char*> queued_;
  /// Why queueing failed.
  std::string trouble_;
};

/// A transaction that is rolled back where it was not committed.
class transaction {
public:
  explicit transaction(connection& on) : on_(on) {}
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction() {
    if (open_ && on_.alive())
      on_.run(statement{"ROLLBACK"});
  }

  result begin(const char* how = "BEGIN") {
    auto x = on_.run(statement{how});
    open_ = x.ok();
    return x;
  }
  /// `result::lost`: it is not known whether it was committed.
  result commit() {
    open_ = false;
    auto x = on_.run(statement{"COMMIT"});
    // So it answers after a failure within the transaction.
    if (x.ok() && x.tag() == "ROLLBACK")
      return {nullptr, {ec::storage_failed, "the transaction had failed before", {}}, "25P02"};
    return x;
  }

private:
  connection& on_;
  bool open_ = false;
};

} // namespace sotto::postgres
