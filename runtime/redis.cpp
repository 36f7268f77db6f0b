#include "runtime/redis.hpp"

#include <algorithm>

#include <hiredis/hiredis.h>

namespace sotto {

namespace {

struct free_reply {
  void operator()(redisReply* x) const { freeReplyObject(x); }
};
using reply = std::unique_ptr<redisReply, free_reply>;

timeval to_timeval(caf::timespan x) {
  auto micros = x.count() / 1'000;
  return {micros / 1'000'000, micros % 1'000'000};
}

/// The next answer; nothing where the connection is broken.
reply next_reply(redisContext* db) {
  void* x = nullptr;
  if (redisGetReply(db, &x) != REDIS_OK)
    return nullptr;
  return reply{static_cast<redisReply*>(x)};
}

int append(redisContext* db, const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (auto& x : words) {
    texts.push_back(x.data());
    sizes.push_back(x.size());
  }
  return redisAppendCommandArgv(db, static_cast<int>(words.size()), texts.data(), sizes.data());
}

} // namespace

void redis_client::close::operator()(redisContext* x) const {
  redisFree(x);
}

failure redis_client::broken(const std::string& what) {
  std::string why = db_ && db_->err != 0 ? db_->errstr : what;
  db_.reset();
  return {ec::unavailable, "Redis: " + why, {}};
}

failure redis_client::command(std::vector<std::string> words) {
  append(db_.get(), words);
  auto x = next_reply(db_.get());
  if (!x)
    return broken("no answer");
  return x->type == REDIS_REPLY_ERROR ? broken(x->str) : failure{};
}

failure redis_client::connect() {
  if (db_)
    return {};
  auto time = to_timeval(timeout_);
  db_.reset(to_.path.empty() ? redisConnectWithTimeout(to_.host.c_str(), to_.port, time)
                             : redisConnectUnixWithTimeout(to_.path.c_str(), time));
  if (!db_ || db_->err != 0)
    return broken("no connection");
  redisSetTimeout(db_.get(), time);
  if (!to_.password.empty()) {
    auto words = to_.user.empty() ? std::vector<std::string>{"AUTH", to_.password}
                                  : std::vector<std::string>{"AUTH", to_.user, to_.password};
    if (auto why = command(std::move(words)))
      return why;
  }
  return to_.database == 0 ? failure{} : command({"SELECT", std::to_string(to_.database)});
}

caf::expected<std::vector<std::string>> redis_client::load(std::span<const std::string> keys) {
  if (keys.empty())
    return std::vector<std::string>{};
  if (auto why = connect())
    return to_error(why);
  std::vector<std::string> words{"MGET"};
  words.insert(words.end(), keys.begin(), keys.end());
  append(db_.get(), words);
  auto x = next_reply(db_.get());
  if (!x)
    return to_error(broken("no answer"));
  if (x->type != REDIS_REPLY_ARRAY || x->elements != keys.size())
    return to_error(broken(x->type == REDIS_REPLY_ERROR ? x->str : "an answer of another kind"));
  std::vector<std::string> values(keys.size());
  for (size_t i = 0; i < keys.size(); ++i)
    if (auto* y = x->element[i]; y->type == REDIS_REPLY_STRING)
      values[i].assign(y->str, y->len);
  return values;
}

failure redis_client::keep(std::span<const std::string> keys, std::span<const std::string> values,
                           caf::timespan ttl) {
  if (auto why = connect())
    return why;
  auto time = std::to_string(std::max<int64_t>(1, ttl.count() / 1'000'000));
  auto count = std::min(keys.size(), values.size());
  for (size_t i = 0; i < count; ++i)
    append(db_.get(), {"SET", keys[i], values[i], "PX", time});
  // Every answer is read, or the next call would get one of these.
  std::string wrong;
  for (size_t i = 0; i < count; ++i) {
    auto x = next_reply(db_.get());
    if (!x)
      return broken("no answer");
    if (x->type == REDIS_REPLY_ERROR)
      wrong = x->str;
  }
  return wrong.empty() ? failure{} : failure{ec::unavailable, "Redis: " + wrong, {}};
}

} // namespace sotto
