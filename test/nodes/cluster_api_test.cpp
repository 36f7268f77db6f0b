#include <catch2/catch.hpp>

#include "nodes/cluster_api.hpp"

using namespace sotto;
using json = nlohmann::json;

TEST_CASE("the state of a cluster is told by nodes and partitions") {
  cluster_view x;
  x.node = "a";
  x.age = 250'000'000;
  cluster_member a, b;
  b.name = "b";
  b.live = false;
  a.name = "a";
  a.live = true;
  a.draining = true;
  a.roles = {"worker", "llm"};
  a.lease_left = 2'000'000'000;
  a.load = {0.5, {{7, 0.25}}};
  x.members = {b, a};
  x.departures = {{"c", "an-incarnation", "died", 1'700'000'000'000'000}};
  b.native = "10.0.0.2:7801";
  x.members[0] = b;
  x.partitions = {{0, "a", true, 3, "b"}, {1, "", false, 2, ""}, {2, "a", true, 1, ""}};
  auto y = to_json_value(x, {{"b", false, "", "no connection"}});
  CHECK(y["age_ms"] == 250);
  CHECK(y["moving"] == 2);
  REQUIRE(y["nodes"].size() == 2);
  CHECK(y["nodes"][0]["name"] == "a");
  CHECK(y["nodes"][0]["state"] == "draining");
  CHECK(y["nodes"][0]["partitions"] == 2);
  CHECK(y["nodes"][0]["load"]["hottest"][0]["partition"] == 7);
  CHECK(y["nodes"][1]["state"] == "down");
  CHECK(y["nodes"][1]["linked"] == false);
  CHECK(y["nodes"][1]["link_error"] == "no connection");
  CHECK(y["partitions"][0]["moving_to"] == "b");
  CHECK(y["partitions"][1]["node"].is_null());
  CHECK(y["nodes"][0]["native"].is_null());
  CHECK(y["nodes"][1]["native"] == "10.0.0.2:7801");
  CHECK(y["departures"] == json::parse(R"([{"name":"c","incarnation":"an-incarnation","why":"died",
                            "at":"2023-11-14T22:13:20Z"}])"));
}

TEST_CASE("a drain names its node") {
  failure why;
  CHECK(read_drain(json::parse(R"({"node":"n2","resume":true})"), why).resume);
  CHECK_FALSE(why);
  read_drain(json::parse(R"({"resume":true})"), why);
  CHECK(why.code == ec::invalid);
  CHECK(why.param == "node");
  why = {};
  read_drain(json::parse(R"({"node":"n2","resume":"yes"})"), why);
  CHECK(why.param == "resume");
}
