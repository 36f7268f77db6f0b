#include "nodes/trace_api.hpp"

#include <catch2/catch.hpp>

#include "messages/atoms.hpp"

using namespace sotto;

namespace {

message_record record(uint64_t trace, uint64_t span, uint64_t parent, int64_t enqueued,
                      int64_t started, int64_t ended) {
  message_record x;
  x.ctx.trace_hi = 1;
  x.ctx.trace_lo = trace;
  x.ctx.span = span;
  x.ctx.parent = parent;
  x.receiver = 7;
  x.receiver_type = "session";
  x.verb = static_cast<uint64_t>(caf::atom("say"));
  x.enqueued = enqueued;
  x.started = started;
  x.ended = ended;
  return x;
}

constexpr int64_t second = 1'000'000'000, milli = 1'000'000;

} // namespace

TEST_CASE("a trace id is 32 hex digits") {
  auto x = read_trace_id("0000000000000001000000000000002a");
  REQUIRE(x);
  CHECK(x->first == 1);
  CHECK(x->second == 42);
  for (auto* bad : {"", "1", "0000000000000001000000000000002g", "0000000000000001000000000000002",
                    "00000000000000000000000000000000", "0x000000000000010000000000000022",
                    "-000000000000001000000000000002a", "0000000000000001000000000000002a0"})
    CHECK_FALSE(read_trace_id(bad));
}

TEST_CASE("a trace tells where its messages waited and were served") {
  auto late =
      record(5, 3, 2, 2 * second + 4 * milli, 2 * second + 6 * milli, 2 * second + 9 * milli);
  late.ended_as = outcome::late;
  late.sender = 6;
  late.waiting = 4;
  auto first = record(5, 2, 0, 2 * second, 2 * second + milli, 2 * second + 3 * milli);
  auto note = record(5, 2, 0, 0, 2 * second + 2 * milli, 2 * second + 2 * milli);
  note.note = "overload:refuse";
  auto x = to_json_value({late, note, first}, {12 * second, 10'000'000});
  CHECK(x["trace"] == "00000000000000010000000000000005");
  CHECK(x["started"] == "1970-01-01T00:00:00Z");
  CHECK(x["took_ms"] == 9.0);
  auto& spans = x["spans"];
  REQUIRE(spans.size() == 3);
  CHECK(spans[0]["span"] == "0000000000000002");
  CHECK(spans[0]["parent"].is_null());
  CHECK(spans[0]["message"] == "say");
  CHECK(spans[0]["actor"] == "session");
  CHECK(spans[0]["waited_ms"] == 1.0);
  CHECK(spans[0]["took_ms"] == 2.0);
  CHECK(spans[0]["from_id"].is_null());
  CHECK(spans[1]["note"] == "overload:refuse");
  CHECK(spans[1]["at_ms"] == 2.0);
  CHECK_FALSE(spans[1].contains("took_ms"));
  CHECK(spans[2]["parent"] == "0000000000000002");
  CHECK(spans[2]["at_ms"] == 4.0);
  CHECK(spans[2]["waited_ms"] == 2.0);
  CHECK(spans[2]["outcome"] == "late");
  CHECK(spans[2]["from_id"] == 6);
  CHECK(spans[2]["behind"] == 4);
}

TEST_CASE("traces are listed from the newest on, each with the worst of its messages") {
  std::vector<message_record> records;
  for (int64_t i = 1; i <= 3; ++i) {
    records.push_back(record(static_cast<uint64_t>(i), 1, 0, i * second, i * second, i * second));
    records.push_back(
        record(static_cast<uint64_t>(i), 2, 1, i * second, i * second, i * second + milli));
  }
  records[3].ended_as = outcome::failed;
  records.push_back(record(2, 2, 1, 0, 2 * second, 2 * second));
  records.back().note = "overload:no_analysers";
  records.push_back({}); // outside of any flow
  auto x = list_traces(records, 2, {3 * second, 3'000'000})["traces"];
  REQUIRE(x.size() == 2);
  CHECK(x[0]["trace"] == "00000000000000010000000000000003");
  CHECK(x[0]["outcome"] == "served");
  CHECK(x[0]["messages"] == 2);
  CHECK(x[1]["trace"] == "00000000000000010000000000000002");
  CHECK(x[1]["outcome"] == "failed");
  CHECK(x[1]["notes"] == nlohmann::json{"overload:no_analysers"});
  CHECK(x[1]["took_ms"] == 1.0);
  CHECK(list_traces({}, 5, {})["traces"].empty());
}

TEST_CASE("the length of the list is checked") {
  failure why;
  CHECK(read_trace_limit("", why) == 50);
  CHECK(read_trace_limit("limit=7", why) == 7);
  CHECK_FALSE(why);
  for (auto* bad : {"limit=0", "limit=201", "limit=x", "limit=-1", "limit=1.5"}) {
    why = {};
    read_trace_limit(bad, why);
    CHECK(why.param == "limit");
  }
}
