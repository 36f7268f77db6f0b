#include <catch2/catch.hpp>

#include "messages/json_input.hpp"
#include "nodes/memory_api.hpp"
#include "nodes/openai_api.hpp"
#include "test/nodes/json_noise.hpp"

using namespace sotto;
using Catch::Contains;
using nlohmann::json;

namespace {

const json valid_memory = json::parse(R"({"user": "ada", "text": "I like tea.", "id": "m1",
  "speaker": "Ada", "conversation": "evening", "created": "2026-05-03T09:30:00Z",
  "metadata": {"mood": "calm"}})");

const json valid_search = json::parse(R"({"user": "ada", "query": "tea", "k": 3,
  "at": "2026-05-03T09:30:00Z", "where": {"mood": "calm"}})");

failure remember_refusal(const json& body) {
  failure why;
  read_remember(body, why);
  return why;
}

failure with_field(json body, const char* key, json value, failure (*refusal)(const json&)) {
  body[key] = std::move(value);
  return refusal(body);
}

failure search_refusal(const json& body) {
  failure why;
  read_search(body, why);
  return why;
}

memory_page_query page(const std::string& query, failure& why) {
  why = {};
  return read_page(query, why);
}

} // namespace

TEST_CASE("a memory is read with all its fields") {
  failure why;
  auto x = read_remember(valid_memory, why);
  CHECK(why.message == "");
  CHECK_FALSE(x.array);
  REQUIRE(x.writes.size() == 1);
  CHECK(x.writes[0].owner == owner_key{"default", "ada"});
  REQUIRE(x.writes[0].memories.size() == 1);
  auto& m = x.writes[0].memories[0];
  CHECK(m.text == "I like tea.");
  CHECK(m.id == "m1");
  CHECK(m.speaker == "Ada");
  CHECK(m.conversation == "evening");
  CHECK(m.created == 1'777'800'600'000'000);
  CHECK(json::parse(m.metadata) == json{{"mood", "calm"}});
  CHECK(remember_answer(x, {{{"m1"}, {true}, {1}}}) == json{{"id", "m1"}});
}

TEST_CASE("a memory is its user's own where nothing else is said") {
  failure why;
  auto x = read_remember(json{{"user", 42}, {"text", "x"}}, why);
  CHECK_FALSE(why);
  auto& m = x.writes[0].memories[0];
  CHECK(x.writes[0].owner.owner == "42");
  CHECK(m.speaker == "42");
  CHECK(m.conversation == "42");
  CHECK(m.id.empty());
  CHECK(m.created == 0);
  CHECK(m.metadata.empty());
}

TEST_CASE("memories of several users become a write each, answered in the order of the call") {
  failure why;
  auto x = read_remember(json::array({{{"user", "a"}, {"text", "1"}},
                                      {{"user", "b"}, {"text", "2"}},
                                      {{"user", "a"}, {"text", "3"}}}),
                         why);
  CHECK_FALSE(why);
  REQUIRE(x.writes.size() == 2);
  CHECK(x.writes[0].memories[1].text == "3");
  auto answer = remember_answer(x, {{{"a1", "a3"}, {true, true}, {1, 2}}, {{"b2"}, {true}, {1}}});
  CHECK(answer == json{{"ids", {"a1", "b2", "a3"}}});
}

TEST_CASE("a memory that is wrong names its field") {
  const std::vector<std::pair<const char*, json>> wrong{
      {"user", nullptr},
      {"user", ""},
      {"user", 1.5},
      {"user", std::string(max_name_bytes + 1, 'x')},
      {"text", nullptr},
      {"text", ""},
      {"text", 5},
      {"text", std::string((32 << 10) + 1, 'x')},
      {"id", json::array()},
      {"speaker", 5},
      {"conversation", false},
      {"created", 5},
      {"created", "yesterday"},
      {"metadata", "x"},
      {"metadata", {1}},
      {"metadata", {{"x", std::string(8 << 10, 'x')}}}};
  for (auto& [key, value] : wrong) {
    CAPTURE(key, value.dump().substr(0, 100));
    auto why = with_field(valid_memory, key, value, remember_refusal);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == key);
    auto body = valid_memory;
    body[key] = value;
    CHECK(remember_refusal(json::array({valid_memory, body})).param == "[1]." + std::string{key});
  }
  CHECK_THAT(remember_refusal(json::array()).message, Contains("array of 1 to 1000"));
  CHECK(remember_refusal(json(std::vector<json>(1001, valid_memory))).code == ec::invalid);
  CHECK(remember_refusal(json::array({valid_memory, 5})).param == "[1]");
  CHECK_THAT(remember_refusal(json("x")).message, Contains("must be a JSON object"));
}

TEST_CASE("a search is read with all its fields, or with ten results at any time") {
  failure why;
  auto x = read_search(valid_search, why);
  CHECK(why.message == "");
  CHECK(x.owner == owner_key{"default", "ada"});
  CHECK(x.text == "tea");
  CHECK(x.k == 3);
  CHECK(x.at == 1'777'800'600'000'000);
  CHECK(json::parse(x.where) == json{{"mood", "calm"}});
  auto least = read_search(json{{"user", "ada"}, {"query", "x"}}, why);
  CHECK_FALSE(why);
  CHECK(least.k == 10);
  CHECK(least.at == 0);
  CHECK(least.where.empty());
}

TEST_CASE("a search that is wrong names its field") {
  const std::vector<std::pair<const char*, json>> wrong{{"user", nullptr},
                                                        {"user", false},
                                                        {"query", nullptr},
                                                        {"query", ""},
                                                        {"query", 5},
                                                        {"k", 0},
                                                        {"k", 1001},
                                                        {"k", "3"},
                                                        {"k", 1.5},
                                                        {"at", "tomorrow"},
                                                        {"at", 1},
                                                        {"where", "x"},
                                                        {"where", json::array()}};
  for (auto& [key, value] : wrong) {
    CAPTURE(key, value.dump());
    auto why = with_field(valid_search, key, value, search_refusal);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == key);
  }
  CHECK_THAT(search_refusal(json::array()).message, Contains("must be a JSON object"));
}

TEST_CASE("a page is asked for by a query") {
  failure why;
  auto x = page("user=ada%20b&limit=7&after=m+1", why);
  CHECK_FALSE(why);
  CHECK(x.owner.owner == "ada b");
  CHECK(x.limit == 7);
  CHECK(x.after == "m 1");
  CHECK(page("user=a", why).limit == 100);
  CHECK_FALSE(why);
  for (auto query : {"", "user=", "limit=5"}) {
    page(query, why);
    CHECK(why.param == "user");
  }
  page("user=" + std::string(max_name_bytes + 1, 'x'), why);
  CHECK(why.param == "user");
  for (auto limit : {"0", "1001", "-1", "5x", "x", "99999999999", "+5", "1.5", "%00"}) {
    CAPTURE(limit);
    page(std::string{"user=a&limit="} + limit, why);
    CHECK(why.code == ec::invalid);
    CHECK(why.param == "limit");
  }
}

TEST_CASE("what was found is told with score and reason") {
  recalled x;
  x.what.id = "m1";
  x.what.text = "tea";
  x.why = "words 1.00";
  x.score = 0.5;
  auto answer = search_answer({x});
  CHECK(answer["results"][0]["id"] == "m1");
  CHECK(answer["results"][0]["why"] == "words 1.00");
  CHECK(page_answer({{x.what}, ""})["next"].is_null());
  CHECK(page_answer({{}, "m1"})["next"] == "m1");
}

TEST_CASE("noise in memory calls gives a value or a failure that says why") {
  auto many = json::array({valid_memory, valid_memory});
  many[1]["user"] = "bo";
  for (auto& valid : {valid_memory, valid_search, many})
    test::make_noise(valid, 31, [](const std::string& text) {
      failure why;
      auto body = parse_json(text, why);
      if (why) {
        REQUIRE_FALSE(why.message.empty());
        return;
      }
      auto call = read_remember(body, why);
      if (why)
        REQUIRE_FALSE(why.message.empty());
      else
        for (auto& [write, place] : call.order)
          REQUIRE_FALSE(call.writes.at(write).memories.at(place).text.empty());
      failure other;
      auto search = read_search(body, other);
      REQUIRE((other ? !other.message.empty() : !search.text.empty() && search.k > 0));
    });
}

TEST_CASE("noise in a query gives a page or a failure that says why") {
  splitmix random{32};
  for (int i = 0; i < 3000; ++i) {
    failure why;
    auto x = read_page(test::scratched("user=ada%20b&limit=7&after=m+1", random), why);
    REQUIRE((why ? !why.message.empty() : x.limit > 0 && !x.owner.owner.empty()));
    failure other;
    read_page(test::random_text(random), other);
  }
}
