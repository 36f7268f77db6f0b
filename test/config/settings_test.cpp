// What sets and shows a single setting: variables, assignments, and the list of all keys.
#include "test/config/load_fixture.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "config/bind.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::Equals;

TEST_CASE("variables of the environment are checked like keys") {
  auto x = load_with({}, {{"SOTTO_GATEWAY_LISTEN", "127.0.0.1:1"},
                          {"SOTTO_METRICS_ENABLED", "false"},
                          {"SOTTO_SENSES_EMBEDDING_ALIASES", "a,b"},
                          {"SOTTO_DATA_FILES", "/f"},
                          {"SOTTO_PORT_7700_TCP", "kubernetes makes such"}});
  REQUIRE_THAT(x.problems, Equals(std::vector<std::string>{}));
  CHECK(x.value.gateway.listen == "127.0.0.1:1");
  CHECK_FALSE(x.value.metrics.enabled);
  CHECK(x.value.senses.embedding_aliases.size() == 2);
  CHECK(find_data_files(x.value) == "/f");
  CHECK_THAT(load_with({}, {{"SOTTO_GATEWAY_LISTN", "x"}}).problems.at(0),
             Equals("environment SOTTO_GATEWAY_LISTN: unknown variable; did you mean "
                    "SOTTO_GATEWAY_LISTEN?"));
  CHECK_THAT(load_with({}, {{"SOTTO_NODE_WORKERS", "many"}}).problems.at(0),
             Equals("environment SOTTO_NODE_WORKERS: node.workers: \"many\" is wrong; it must be a "
                    "whole number from 0 to 1024"));
}

TEST_CASE("no two keys share a variable, and no variable has another use") {
  std::set<std::string> seen{"SOTTO_PROFILE", "SOTTO_CONFIG", "SOTTO_URL", "SOTTO_DATA_FILES"};
  for (auto& s : settings())
    CHECK(seen.insert(variable_of(s.key)).second);
}

TEST_CASE("assignments take plain text, quoted text and arrays of tables") {
  auto x = load_with({"log.level=debug", "gateway.listen=\"[::1]:80\"", "trace.sample=0.5",
                      "llm.deployments=[{name='a', base_url='http://h/v1'}]",
                      "senses.embedding_aliases=[\"x\"]"});
  REQUIRE_THAT(x.problems, Equals(std::vector<std::string>{}));
  CHECK(x.value.log.level == "debug");
  CHECK(x.value.gateway.listen == "[::1]:80");
  CHECK(x.value.llm.deployments.at(0).name == "a");
  CHECK(x.value.senses.embedding_aliases == std::vector<std::string>{"x"});
  CHECK(load_with({"gateway.listen=[::1]:80"}).value.gateway.listen == "[::1]:80");
}

TEST_CASE("wrong assignments say what would be right") {
  CHECK_THAT(load_with({"nonsense"}).problems.at(0), Contains("must be key=value"));
  CHECK_THAT(load_with({"=x"}).problems.at(0), Contains("must be key=value"));
  CHECK_THAT(load_with({"log.levle=info"}).problems.at(0),
             Equals("--set: log.levle: unknown key; did you mean \"log.level\"?"));
  CHECK_THAT(load_with({"log.level="}).problems.at(0), Contains("must be one of"));
  CHECK_THAT(load_with({"profile=desktop"}).problems.at(0), Contains("--profile"));
  CHECK_THAT(load_with({"llm.deployments=5"}).problems.at(0), Contains("[[llm.deployments]]"));
}

TEST_CASE("what is shown loads to the same") {
  auto x = load_with({"session.turn_timeout=1500ms", "gateway.max_body=3000000", "node.seed=77",
                      "llm.deployments=[{name='a', base_url='http://h/v1'}]",
                      "personas=[{name='q', system_prompt=\"say \\\"hi\\\"\\nor \\u00e9\"}]"});
  REQUIRE_THAT(x.problems, Equals(std::vector<std::string>{}));
  for (bool explain : {false, true}) {
    auto shown = to_toml(x.value, explain);
    auto again = load_file(shown);
    REQUIRE_THAT(again.problems, Equals(std::vector<std::string>{}));
    CHECK(to_toml(again.value, explain) == shown);
    CHECK(again.value.session.turn_timeout == 1500ms);
    CHECK(again.value.gateway.max_body == 3'000'000);
    CHECK(again.value.personas.at(0).system_prompt == x.value.personas.at(0).system_prompt);
  }
  auto json = nlohmann::json::parse(to_json(x.value));
  CHECK(json["session"]["turn_timeout"] == "1500ms");
  CHECK(json["personas"][0]["name"] == "q");
}

TEST_CASE("the documentation of all keys is up to date") {
  std::ifstream in{SOTTO_SOURCE_DIR "/docs/configuration.md", std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  INFO("sotto config show --markdown > docs/configuration.md");
  CHECK((text == to_markdown()));
}
