#include <catch2/catch.hpp>

#include <cstdlib>

#include "runtime/redis.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// The Redis of the tests (scripts/services).
redis_address here() {
  auto* url = std::getenv("SOTTO_TEST_REDIS");
  INFO("SOTTO_TEST_REDIS names the Redis to test with: eval \"$(scripts/services start DIR)\"");
  REQUIRE(url != nullptr);
  auto x = parse_redis_url(url);
  REQUIRE(x);
  return *x;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("what is kept in Redis is found by another connection, and goes after its time") {
  redis_client one{here(), 1s}, other{here(), 1s};
  texts keys{"test:a", "test:b"}, values{std::string{"\0\r\nx", 4}, "y"};
  REQUIRE_FALSE(one.keep(keys, values, 1h));
  auto found = other.load(texts{"test:b", "test:none", "test:a"});
  REQUIRE(found);
  CHECK(*found == texts{"y", "", std::string{"\0\r\nx", 4}});
  REQUIRE_FALSE(one.keep(texts{"test:a"}, texts{"z"}, 1ms));
  for (int i = 0; i < 1000 && !other.load(texts{"test:a"})->front().empty();)
    ++i;
  CHECK(other.load(texts{"test:a"})->front().empty());
}

TEST_CASE("a Redis that is gone is a failure, and the next call connects anew") {
  redis_address nowhere;
  nowhere.path = "/nonexistent/redis";
  redis_client gone{nowhere, 50ms};
  CHECK(gone.load(texts{"a"}).error());
  CHECK(gone.keep(texts{"a"}, texts{"b"}, 1s).code == ec::unavailable);
  auto wrong = here();
  wrong.password = "secret-word";
  redis_client refused{wrong, 1s};
  auto why = to_failure(refused.load(texts{"a"}).error());
  CHECK(why.code == ec::unavailable);
  CHECK(why.message.find("secret-word") == std::string::npos);
}

TEST_CASE("URLs of Redis are read, and what is none is refused") {
  auto x = parse_redis_url("redis://me:p@ss@cache.example:6380/3");
  REQUIRE(x);
  CHECK(x->host == "cache.example");
  CHECK(x->port == 6380);
  CHECK(x->database == 3);
  CHECK(x->user == "me");
  CHECK(x->password == "p@ss");
  CHECK(parse_redis_url("redis://[::1]:6379")->host == "::1");
  CHECK(parse_redis_url("redis://[::1]")->port == 6379);
  CHECK(parse_redis_url("unix:/run/redis")->path == "/run/redis");
  for (auto* bad : {"", "redis://", "http://x", "redis://x:0", "redis://x:70000", "redis://x/y",
                    "redis://me@x", "unix:"})
    CHECK_FALSE(parse_redis_url(bad));
}
