#include <catch2/catch.hpp>

#include "config/rules.hpp"
#include "config/setting_value.hpp"
#include "runtime/random.hpp"

using namespace sotto;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their unit and shown shortest") {
  CHECK(read_duration("250ms") == 250ms);
  CHECK(read_duration("10s") == 10s);
  CHECK(read_duration("5m") == 5min);
  CHECK(read_duration("1.5h") == 90min);
  CHECK(read_duration("2 d") == 48h);
  CHECK(show_duration(90min) == "90m");
  CHECK(show_duration(0s) == "0s");
  CHECK(show_duration(caf::timespan{1500}) == "1500ns");
}

TEST_CASE("durations without unit, negative, too long or garbled are refused") {
  for (auto text : {"", "10", "s", "-1s", "1x", "1 s s", "1..5s", "9223372036854775808ns", "1e3s",
                    "106752d", "9223372036.854775808s", "ms10"})
    CHECK_FALSE(read_duration(text));
  CHECK(read_duration("9223372036854775807ns"));
}

TEST_CASE("sizes are read in binary and decimal units and shown in binary ones") {
  CHECK(read_size("64MiB") == 64ULL << 20);
  CHECK(read_size("1.5KiB") == 1536);
  CHECK(read_size("10kB") == 10'000);
  CHECK(read_size("4096") == 4096);
  CHECK(show_size(64ULL << 20) == "64MiB");
  CHECK(show_size(1000) == "1000B");
  CHECK(show_size(0) == "0B");
  for (auto text : {"", "-1", "1mb", "MiB", "9999999999TiB", "1.2.3MiB"})
    CHECK_FALSE(read_size(text));
}

TEST_CASE("what is shown of any duration and size is read back as the same") {
  splitmix random{7};
  for (int i = 0; i < 20'000; ++i) {
    auto x = static_cast<int64_t>(random() >> (1 + random() % 62));
    REQUIRE(read_duration(show_duration(caf::timespan{x})) == caf::timespan{x});
    REQUIRE(read_size(show_size(static_cast<uint64_t>(x))) == static_cast<uint64_t>(x));
  }
}

TEST_CASE("passwords in URLs are replaced wherever they stand") {
  CHECK(without_password("postgresql://u:secret@host/db") == "postgresql://u:***@host/db");
  CHECK(without_password("postgresql://u:a/b@c?d#@host/db?sslmode=require")
        == "postgresql://u:***@host/db?sslmode=require");
  CHECK(without_password("postgresql:///db?user=u&password=secret&host=/run\" is")
        == "postgresql:///db?user=u&password=***&host=/run\" is");
  CHECK(without_password("http://u:p@ss@host") == "http://u:***@host");
  CHECK(without_password("http://host:80/a@b:c") == "http://host:80/a@b:c");
  CHECK(without_password("x http://a:b@c http://d:e@f") == "x http://a:***@c http://d:***@f");
}

TEST_CASE("the nearest word is offered only when it is near") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(nearest("gateway.listn", {"gateway.listen", "gateway.max_body"}) == "gateway.listen");
  CHECK(nearest("colour", {"gateway.listen", "log.level"}).empty());
}

TEST_CASE("addresses and URLs are told from what only looks like them") {
  for (auto x : {"127.0.0.1:7700", "localhost:0", "[::1]:80", "host-1.example:65535"})
    CHECK(rule::is_address(x));
  for (auto x : {"", ":80", "host", "host:", "host:65536", "ho st:1", "::1:80x", "[zz]:1", "a:-1",
                 "a:123456"})
    CHECK_FALSE(rule::is_address(x));
  for (auto x : {"http://127.0.0.1:11434/v1", "https://api.openai.com/v1", "http://[::1]:80/v1/"})
    CHECK(rule::is_http_url(x));
  for (auto x : {"", "ftp://x", "http://", "https:///v1", "http://u:p@h/v1", "http://h/v1?q=1",
                 "http://h:99999", "http://h:/v1", "http://h\n/v1", "h/v1", "http://[::1/v1"})
    CHECK_FALSE(rule::is_http_url(x));
}

TEST_CASE("lists and flags are read from plain text only where it is plain") {
  rule::list list{"names"};
  CHECK(list.read(std::string{"a, b,,c "}, true) == std::vector<std::string>{"a", "b", "c"});
  CHECK_FALSE(list.read(std::string{"a"}, false));
  CHECK_FALSE(list.read(std::vector<std::string>{""}, false));
  CHECK(rule::flag{}.read(std::string{"true"}, true) == true);
  CHECK_FALSE(rule::flag{}.read(std::string{"true"}, false));
  CHECK_FALSE(rule::flag{}.read(int64_t{1}, false));
  CHECK(rule::number{0, 1}.read(int64_t{1}, false) == 1.0);
  CHECK_FALSE(rule::number{0, 1}.read(std::string{"nan"}, true));
}
