#include "runtime/postgres.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include "runtime/clock.hpp"

namespace sotto::postgres {

namespace {

constexpr auto lost_state = "08006", skipped_state = "00S00";

using parsed_url = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;

parsed_url parse(const std::string& url) {
  char* why = nullptr;
  auto x = PQconninfoParse(url.c_str(), &why);
  PQfreemem(why); // it repeats the URL, password and all
  return {x, PQconninfoFree};
}

std::string value_of(const PQconninfoOption* options, std::string_view key) {
  for (auto x = options; x && x->keyword; ++x)
    if (key == x->keyword && x->val)
      return x->val;
  return {};
}

std::string name_of(const PQconninfoOption* options) {
  auto host = value_of(options, "host"), port = value_of(options, "port");
  return fmt::format("PostgreSQL {}{}{} at {}", value_of(options, "dbname"),
                     value_of(options, "user").empty() ? "" : " as ", value_of(options, "user"),
                     (host.empty() ? "the default host" : host) + (port.empty() ? "" : ":" + port));
}

std::string_view advice(std::string_view state) {
  if (state == lost_state)
    return "";
  if (state == "28P01" || state.starts_with("28"))
    return "; check the user and password of store.url, and the database's pg_hba.conf";
  if (state == "3D000")
    return "; create the database, or name another in store.url";
  if (state == "42501")
    return "; the database's user must be allowed to do that";
  if (state == "53100")
    return "; free space on the database's disk";
  if (state == "53300")
    return "; raise the database's max_connections";
  return "";
}

/// Whether another try may help where nothing is changed.
bool passes(std::string_view state) {
  return state.starts_with("08") || state.starts_with("57P") || state == "53300"
         || state == "25006"; // read-only: a standby that may be promoted
}

int64_t after(caf::timespan time) {
  return monotonic_nanos() + time.count();
}

/// Whether the socket is ready within the time.
bool poll_socket(int socket, short events, int64_t until) {
  auto left = std::max<int64_t>(0, until - monotonic_nanos());
  pollfd x{socket, events, 0};
  int code = 0;
  do
    code =
        ::poll(&x, 1, static_cast<int>(std::min<int64_t>((left + 999'999) / 1'000'000, 1 << 30)));
  while (code < 0 && errno == EINTR);
  return code > 0;
}

} // namespace

failure check_url(const std::string& url) {
  if (parse(url))
    return {};
  return {ec::invalid,
          "is not understood; it must be such as postgresql://USER@HOST:PORT/DATABASE with special "
          "characters of user and password written as %XX",
          "store.url"};
}

std::string describe(const std::string& url) {
  auto x = parse(url);
  return x ? name_of(x.get()) : "PostgreSQL";
}

std::string quoted_name(std::string_view name) {
  std::string out{'"'};
  for (auto c : name) {
    if (c == '"')
      out += '"';
    out += c;
  }
  return out + '"';
}

failure connection::open(const target& to) {
  close();
  to_ = to;
  auto url = parse(to.url);
  if (!url)
    return check_url(to.url);
  name_ = name_of(url.get());
  password_ = value_of(url.get(), "password");
  // A peer that is gone is noticed by the system too, where a query would not end: within a lease,
  // since what is sent again waits twice as long each time, also when the way is free again.
  std::vector<std::array<std::string, 2>> settings{{"application_name", to.application},
                                                   {"client_encoding", "UTF8"},
                                                   {"keepalives_idle", "1"},
                                                   {"keepalives_interval", "1"},
                                                   {"keepalives_count", "2"},
                                                   {"tcp_user_timeout", "3000"}};
  for (auto x = url.get(); x->keyword; ++x)
    if (x->val)
      settings.push_back({x->keyword, x->val});
  std::vector<const char*> keys, values;
  for (auto& [key, value] : settings) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  handle_ = PQconnectStartParams(keys.data(), values.data(), 0);
  return begin(after(to.connect_timeout));
}

failure connection::begin(instant until) {
  if (!handle_)
    return lose("no memory").why();
  auto state = PGRES_POLLING_WRITING;
  while (PQstatus(handle_) != CONNECTION_BAD && state != PGRES_POLLING_OK
         && state != PGRES_POLLING_FAILED) {
    if (!poll_socket(PQsocket(handle_), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
      return lose("no connection in time").why();
    state = PQconnectPoll(handle_);
  }
  if (state != PGRES_POLLING_OK) {
    std::string_view said = PQerrorMessage(handle_);
    // Before the connection stands libpq gives no SQLSTATE: only what the server said is known.
    auto refused = said.find("FATAL:") != std::string_view::npos;
    auto later = said.find("starting up") != std::string_view::npos
                 || said.find("shutting down") != std::string_view::npos
                 || said.find("recovery") != std::string_view::npos
                 || said.find("too many") != std::string_view::npos
                 || said.find("remaining connection") != std::string_view::npos;
    auto why = lose(said).why();
    if (refused && !later)
      why = {ec::storage_failed, why.message + advice("28000").data(), {}};
    return why;
  }
  PQsetnonblocking(handle_, 1);
  PQsetNoticeReceiver(
      handle_, [](void*, const PGresult*) {}, nullptr);
  if (to_.schema.empty())
    return {};
  return run("SET search_path TO " + quoted_name(to_.schema)).why();
}

void connection::close() {
  PQfinish(handle_);
  handle_ = nullptr;
  prepared_.clear();
  queued_.clear();
  trouble_.clear();
}

std::string connection::scrubbed(std::string_view message) const {
  std::string out{message};
  while (!out.empty() && (out.back() == '\n' || out.back() == ' '))
    out.pop_back();
  for (size_t at = 0; !password_.empty() && (at = out.find(password_, at)) != std::string::npos;)
    out.replace(at, password_.size(), "***");
  for (auto& c : out)
    c = c == '\n' || c == '\t' ? ' ' : c;
  return out;
}

result connection::lose(std::string_view why) {
  failure said{ec::unavailable, fmt::format("{}: {}", name_, scrubbed(why)), {}};
  close();
  return {nullptr, std::move(said), lost_state};
}

result connection::take(PGresult* x) {
  auto status = PQresultStatus(x);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
    return {x, {}, {}};
  auto field = [&](int which) {
    auto text = PQresultErrorField(x, which);
    return std::string{text ? text : ""};
  };
  auto state = field(PG_DIAG_SQLSTATE), severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
  auto said = field(PG_DIAG_MESSAGE_PRIMARY);
  if (said.empty())
    said = PQerrorMessage(handle_);
  PQclear(x);
  if (status == PGRES_PIPELINE_ABORTED)
    return {nullptr, {ec::storage_failed, name_ + ": skipped after a failure", {}}, skipped_state};
  if (severity == "FATAL" || severity == "PANIC" || state.empty()
      || PQstatus(handle_) == CONNECTION_BAD)
    return lose(said);
  return {nullptr,
          {passes(state) ? ec::unavailable : ec::storage_failed,
           fmt::format("{}: {} ({}){}", name_, scrubbed(said), state, advice(state)),
           {}},
          state};
}

bool connection::send(const statement& what, const parameters& with, format how) {
  auto count = static_cast<int>(with.values_.size());
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (auto& x : with.values_) {
    values.push_back(x ? x->c_str() : nullptr);
    lengths.push_back(x ? static_cast<int>(x->size()) : 0);
  }
  auto binary = how == format::binary ? 1 : 0;
  if (*what.name)
    return PQsendQueryPrepared(handle_, what.name, count, values.data(), lengths.data(),
                               with.formats_.data(), binary)
           == 1;
  if (count == 0 && binary == 0 && PQpipelineStatus(handle_) == PQ_PIPELINE_OFF)
    return PQsendQuery(handle_, what.sql) == 1;
  return PQsendQueryParams(handle_, what.sql, count, with.types_.data(), values.data(),
                           lengths.data(), with.formats_.data(), binary)
         == 1;
}

bool connection::flush(instant until) {
  // Answers are read meanwhile: a server that cannot send does not read either.
  for (int left = PQflush(handle_); left != 0; left = PQflush(handle_)) {
    if (left < 0 || !poll_socket(PQsocket(handle_), POLLIN | POLLOUT, until))
      return false;
    if (PQconsumeInput(handle_) == 0)
      return false;
  }
  return true;
}

bool connection::ready(instant until) {
  while (PQisBusy(handle_) == 1) {
    if (!poll_socket(PQsocket(handle_), POLLIN, until)) {
      trouble_ = "no answer in time";
      return false;
    }
    // What it said last, if anything, comes first.
    if (PQconsumeInput(handle_) == 0 && PQisBusy(handle_) == 1) {
      trouble_ = PQerrorMessage(handle_);
      return false;
    }
  }
  return true;
}

result connection::run(const statement& what, const parameters& with, format how) {
  if (*what.name || !with.values_.empty() || how == format::binary) {
    queue(what, with, how);
    return std::move(collect().front());
  }
  if (!handle_)
    return lose("there is no connection");
  auto until = after(to_.answer_timeout);
  if (!send(what, with, how) || !flush(until))
    return lose(PQerrorMessage(handle_));
  // Of several statements the first failure, else the last result.
  result out;
  while (true) {
    if (!ready(until))
      return lose(trouble_);
    auto x = PQgetResult(handle_);
    if (!x)
      return out;
    if (out.ok())
      out = take(x);
    else
      PQclear(x);
    if (!handle_)
      return out;
  }
}

bool connection::prepared(const statement& what, const parameters& with) {
  if (!*what.name || prepared_.contains(std::string_view{what.name})) {
    queued_.push_back(nullptr);
    return true;
  }
  prepared_.insert(what.name);
  queued_.push_back(what.name);
  return PQsendPrepare(handle_, what.name, what.sql, static_cast<int>(with.types_.size()),
                       with.types_.data())
         == 1;
}

void connection::queue(const statement& what, const parameters& with, format how) {
  if (!handle_ || !trouble_.empty()) {
    queued_.push_back(nullptr);
    return;
  }
  if ((PQpipelineStatus(handle_) == PQ_PIPELINE_OFF && PQenterPipelineMode(handle_) != 1)
      || !prepared(what, with) || !send(what, with, how))
    trouble_ = PQerrorMessage(handle_);
}

std::vector<result> connection::collect() {
  std::vector<result> out;
  auto names = std::exchange(queued_, {});
  if (names.empty())
    return out;
  auto until = after(to_.answer_timeout);
  result broken;
  if (!handle_)
    broken = lose("there is no connection");
  else if (!trouble_.empty())
    broken = lose(trouble_);
  else if (PQpipelineSync(handle_) != 1 || !flush(until))
    broken = lose(PQerrorMessage(handle_));
  for (size_t i = 0; handle_ && i < names.size(); ++i) {
    auto x = answer(names[i], until);
    if (handle_)
      out.push_back(std::move(x));
    else
      broken = std::move(x);
  }
  // Left is the mark of the end.
  if (handle_ && !ready(until))
    broken = lose(trouble_);
  if (handle_)
    PQclear(PQgetResult(handle_));
  if (handle_ && PQexitPipelineMode(handle_) != 1)
    broken = lose(PQerrorMessage(handle_));
  // With the connection goes what is known of all of them: a transaction may have been undone.
  if (!handle_)
    out.clear();
  while (out.size() < names.size())
    out.emplace_back(nullptr, broken.why(), broken.state());
  return out;
}

result connection::answer(const char* prepares, instant until) {
  result out;
  for (int left = prepares ? 2 : 1; left > 0; --left) {
    auto x = next(until);
    if (left == 2 && handle_ && !x.ok())
      prepared_.erase(std::string{prepares});
    if (out.ok())
      out = std::move(x);
    if (!handle_)
      break;
  }
  return out;
}

result connection::next(instant until) {
  if (!ready(until))
    return lose(trouble_);
  auto got = PQgetResult(handle_);
  if (!got)
    return lose("it answered less than it was asked");
  auto out = take(got);
  if (handle_ && !ready(until))
    return lose(trouble_);
  if (handle_ && (got = PQgetResult(handle_)) != nullptr) {
    PQclear(got);
    return lose("it answered more than it was asked");
  }
  return out;
}

int connection::socket() const {
  return handle_ ? PQsocket(handle_) : -1;
}

failure connection::listen(std::string_view channel) {
  return run("LISTEN " + quoted_name(channel)).why();
}

std::optional<notification> connection::wait(caf::timespan longest) {
  for (auto until = after(longest); handle_;) {
    if (PQconsumeInput(handle_) == 0) {
      lose(PQerrorMessage(handle_));
      break;
    }
    if (auto x = std::unique_ptr<PGnotify, decltype(&PQfreemem)>{PQnotifies(handle_), PQfreemem})
      return notification{x->relname, x->extra};
    if (!poll_socket(PQsocket(handle_), POLLIN, until))
      break;
  }
  return std::nullopt;
}

} // namespace sotto::postgres
