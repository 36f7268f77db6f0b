#include <catch2/catch.hpp>

#include "messages/frontend.hpp"
#include "messages/json_input.hpp"
#include "messages/time_text.hpp"

using namespace sotto;
using nlohmann::json;

namespace {

uint64_t next(uint64_t& state) {
  state = state * 6364136223846793005ULL + 1442695040888963407ULL;
  return state >> 33;
}

json random_value(uint64_t& state, int depth) {
  switch (next(state) % (depth > 0 ? 8 : 6)) {
  case 0:
    return nullptr;
  case 1:
    return next(state) % 2 == 0;
  case 2:
    return -static_cast<int64_t>(next(state));
  case 3:
    return next(state);
  case 4:
    return static_cast<double>(next(state)) / 3;
  case 5:
    return std::string(next(state) % 50, 'x') + "\u00e9";
  case 6: {
    auto x = json::array();
    for (auto n = next(state) % 4; n > 0; --n)
      x.push_back(random_value(state, depth - 1));
    return x;
  }
  default: {
    auto x = json::object();
    for (auto n = next(state) % 4; n > 0; --n)
      x["k" + std::to_string(n)] = random_value(state, depth - 1);
    return x;
  }
  }
}

} // namespace

TEST_CASE("a call is read alike from JSON and msgpack") {
  json x{{"id", 7},
         {"to", "session"},
         {"type", "say"},
         {"priority", "high"},
         {"deadline_ms", 500},
         {"body", {{"text", "hi"}}}};
  for (auto format : {frontend_format::json, frontend_format::msgpack}) {
    failure why;
    auto call = read_call(format == frontend_format::json ? x.dump() : to_msgpack(x), format, why);
    REQUIRE_FALSE(why);
    CHECK(call.id == 7);
    CHECK(call.type == "say");
    CHECK(call.level == priority::high);
    CHECK(call.deadline_ms == 500);
    CHECK(call.body["text"] == "hi");
  }
}

TEST_CASE("a call that is wrong is refused with the field's name") {
  auto param = [](const json& x) {
    failure why;
    read_call(x.dump(), frontend_format::json, why);
    CHECK(why.code == ec::invalid);
    return why.param;
  };
  CHECK(param({{"type", "say"}}) == "id");
  CHECK(param({{"id", 1.5}, {"type", "say"}}) == "id");
  CHECK(param({{"id", 1}}) == "type");
  CHECK(param({{"id", 1}, {"type", "say"}, {"priority", "asap"}}) == "priority");
  CHECK(param({{"id", 1}, {"type", "say"}, {"deadline_ms", -1}}) == "deadline_ms");
  CHECK(param({{"id", 1}, {"type", "say"}, {"trace", "x"}}) == "trace");
  CHECK(param({{"id", 1}, {"type", "say"}, {"body", 3}}) == "body");
}

TEST_CASE("msgpack round trips any JSON value") {
  uint64_t state = 42;
  for (int i = 0; i < 2000; ++i) {
    auto x = random_value(state, 4);
    failure why;
    CHECK(parse_msgpack(to_msgpack(x), why) == x);
    CHECK_FALSE(why);
  }
}

TEST_CASE("nesting without end is refused in both formats") {
  failure why;
  parse_msgpack(std::string(1'000'000, '\x91'), why);
  CHECK(why.code == ec::invalid);
  why = {};
  parse_json(std::string(1'000'000, '['), why);
  CHECK(why.code == ec::invalid);
  why = {};
  parse_json("\"" + std::string(1000, '[') + "\"", why);
  CHECK_FALSE(why);
}

TEST_CASE("random bytes are refused or read, and nothing else happens") {
  uint64_t state = 7;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(next(state) % 40, ' ');
    for (auto& c : bytes)
      c = static_cast<char>(next(state));
    for (auto format : {frontend_format::json, frontend_format::msgpack}) {
      failure why;
      auto call = read_call(bytes, format, why);
      if (!why)
        CHECK(call.body.is_object());
    }
  }
}

TEST_CASE("huge announced sizes cost nothing") {
  failure why;
  parse_msgpack("\xdd\xff\xff\xff\xff", why);
  CHECK(why);
  why = {};
  parse_msgpack("\xdb\xff\xff\xff\xff"
                "abc",
                why);
  CHECK(why);
}

TEST_CASE("times are written and read as RFC 3339") {
  CHECK(rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339(1'777'800'600'250'000) == "2026-05-03T09:30:00.250000Z");
  CHECK(parse_rfc3339("2026-05-03T11:30:00.25+02:00") == 1'777'800'600'250'000);
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z"));
  for (auto* bad : {"2026-02-29T00:00:00Z", "2026-05-03", "2026-05-03T09:30:00", "yesterday", "",
                    "2026-05-03T24:00:00Z", "2026-05-03T09:30:00.Z", "2026-05-03T09:30:00Zx"})
    CHECK_FALSE(parse_rfc3339(bad));
  uint64_t state = 3;
  for (int i = 0; i < 1000; ++i) {
    auto micros = static_cast<int64_t>(next(state) * 1000 + next(state) % 1'000'000);
    CHECK(parse_rfc3339(rfc3339(micros)) == micros);
  }
}
