#include "nodes/reply_frame.hpp"

#include <catch2/catch.hpp>

#include "nodes/json_output.hpp"
#include "nodes/msgpack_writer.hpp"

using namespace sotto;
using json = nlohmann::json;

namespace {

turn_reply a_reply() {
  turn_reply x;
  x.text = "Hello \xe2\x80\x9c"
           "Ada\xe2\x80\x9d, \"again\"";
  x.model = "builtin";
  x.finish_reason = "stop";
  x.emotion.primary = "joy";
  x.emotion.intensity = 0.73514F;
  x.emotion.mixed = {{"trust", 0.25F}};
  for (auto* metadata : {"", R"({"kind":"odd","n":[1,2.5,-3]})", "{broken"}) {
    recalled y;
    y.what.id = "m1";
    y.what.text = std::string(300, 't');
    y.what.metadata = metadata;
    y.score = 0.5F;
    y.why = "words 1.00";
    x.memories.push_back(y);
  }
  x.topics = {"work", "family"};
  x.analyses["urgency"] = {"high"};
  x.degraded = {"llm"};
  x.memory_stored = true;
  return x;
}

json read(const std::string& frame, frontend_format format) {
  if (format == frontend_format::json)
    return json::parse(frame);
  failure why;
  auto result = parse_msgpack(frame, why);
  CHECK_FALSE(why);
  return result;
}

} // namespace

TEST_CASE("a turn's reply says the same in both formats") {
  auto x = a_reply();
  for (auto format : {frontend_format::json, frontend_format::msgpack}) {
    auto frame = read(reply_frame("call 7", "abc", x, priority::low, format), format);
    CHECK(frame["id"] == "call 7");
    CHECK(frame["type"] == "reply");
    CHECK(frame["trace"] == "abc");
    auto& body = frame["body"];
    CHECK(body["text"] == x.text);
    CHECK(body["model"] == "builtin");
    CHECK(body["finish_reason"] == "stop");
    CHECK(body["priority"] == "low");
    CHECK(body["emotion"] == to_json_value(x.emotion));
    CHECK(body["emotion"]["intensity"] == 0.7351);
    REQUIRE(body["memories"].size() == 3);
    for (size_t i = 0; i < 3; ++i)
      CHECK(body["memories"][i] == to_json_value(x.memories[i]));
    CHECK(body["memories"][1]["metadata"]["n"] == json::array({1, 2.5, -3}));
    CHECK(body["topics"] == json::array({"work", "family"}));
    CHECK(body["analyses"] == json{{"urgency", {"high"}}});
    CHECK(body["degraded"] == json::array({"llm"}));
    CHECK(body["memory_stored"] == true);
    CHECK(body["level"] == "normal");
    CHECK_FALSE(body.contains("restarted"));
  }
}

TEST_CASE("the name of a call comes back as it was given") {
  for (auto format : {frontend_format::json, frontend_format::msgpack})
    for (json id : {json(7), json(-1), json(18'000'000'000'000'000'000ULL), json(""),
                    json("caf\xc3\xa9 \"\n")}) {
      auto frame = read(reply_frame(id, "t", {}, {}, format), format);
      CHECK(frame["id"] == id);
      CHECK_FALSE(frame["body"].contains("priority"));
    }
}

TEST_CASE("arrays of any length are written as msgpack") {
  for (size_t n : {0, 15, 16, 255, 256, 65'535}) {
    msgpack_text to;
    to.begin_object();
    to.key("list");
    to.begin_array();
    for (size_t i = 0; i < n; ++i)
      to.value(uint64_t{i});
    to.end_array();
    to.end_object();
    failure why;
    auto back = parse_msgpack(to.take(), why);
    CHECK_FALSE(why);
    CHECK(back["list"].size() == n);
  }
}
