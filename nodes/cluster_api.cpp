#include "nodes/cluster_api.hpp"

#include <algorithm>
#include <map>

#include "messages/json_input.hpp"
#include "messages/time_text.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

double milliseconds(int64_t nanos) {
  return static_cast<double>(nanos) / 1e6;
}

std::string_view state_of(const cluster_member& x) {
  return !x.live ? "down" : x.draining ? "draining" : "up";
}

json load_of(const cluster_load& x) {
  auto hottest = json::array();
  for (auto& y : x.hottest)
    hottest.push_back({{"partition", y.partition}, {"cores", y.busy}});
  return {{"cores", x.busy}, {"hottest", std::move(hottest)}};
}

json node_of(const cluster_member& x, size_t partitions) {
  return {{"name", x.name},
          {"state", state_of(x)},
          {"roles", x.roles},
          {"capacity", x.capacity},
          {"version", x.version},
          {"protocol", x.protocol},
          {"http", x.http},
          {"link", x.link},
          {"native", x.native.empty() ? json{} : json(x.native)},
          {"incarnation", x.incarnation},
          {"lease_ms", milliseconds(x.lease_left)},
          {"partitions", partitions},
          {"load", load_of(x.load)}};
}

} // namespace

json to_json_value(const cluster_view& x, const std::vector<link_state_report>& links) {
  std::map<std::string, size_t> owned;
  auto partitions = json::array();
  size_t moving = 0;
  for (auto& p : x.partitions) {
    ++owned[p.node];
    moving += p.node.empty() || !p.wanted.empty() || !p.owner_live ? 1 : 0;
    json row{{"partition", p.partition},
             {"node", p.node.empty() ? json{} : json(p.node)},
             {"epoch", p.epoch},
             {"live", p.owner_live}};
    if (!p.wanted.empty())
      row["moving_to"] = p.wanted;
    partitions.push_back(std::move(row));
  }
  auto members = x.members;
  std::sort(members.begin(), members.end(), [](auto& a, auto& b) { return a.name < b.name; });
  auto nodes = json::array();
  for (auto& m : members) {
    auto node = node_of(m, owned[m.name]);
    for (auto& l : links)
      if (l.node == m.name) {
        node["linked"] = l.up;
        if (!l.why.empty())
          node["link_error"] = l.why;
      }
    nodes.push_back(std::move(node));
  }
  auto departures = json::array();
  for (auto& d : x.departures)
    departures.push_back(
        {{"name", d.name}, {"incarnation", d.incarnation}, {"why", d.why}, {"at", rfc3339(d.at)}});
  return {{"node", x.node},
          {"age_ms", milliseconds(x.age)},
          {"nodes", std::move(nodes)},
          {"departures", std::move(departures)},
          {"moving", moving},
          {"partitions", std::move(partitions)}};
}

json to_json_value(const drain_progress& x) {
  json body{{"node", x.node}, {"draining", x.draining}, {"partitions_left", x.left}};
  if (!x.why.empty())
    body["waits_for"] = x.why;
  return body;
}

drain_request read_drain(const json& body, failure& why) {
  field_reader fields{body, why, ""};
  drain_request x;
  x.node = fields.id("node", 100, true);
  x.resume = fields.flag("resume", false);
  return x;
}

} // namespace sotto
