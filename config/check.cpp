#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/apply.hpp"
#include "config/setting_value.hpp"
#include "config/store_url.hpp"

namespace sotto {

template <class T>
void option_assembler::check_names(std::string_view array, const std::vector<T>& items) {
  auto& places = places_[std::string{array}];
  std::set<std::string> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    auto& name = items[i].name;
    if (!name.empty() && !seen.insert(name).second)
      problem(fmt::format("{}: the name {} is taken; names must be unique", places[i],
                          toml_string(name)));
  }
}

void option_assembler::check_deployments() {
  auto& deployments = value.llm.deployments;
  check_names("llm.deployments", deployments);
  auto& places = places_["llm.deployments"];
  for (size_t i = 0; i < deployments.size(); ++i) {
    auto& x = deployments[i];
    if (!x.api_key_env.empty() && !x.api_key_file.empty())
      problem(fmt::format("{}: \"api_key_env\" and \"api_key_file\" are both given; keep one",
                          places[i]));
    if (x.name == "builtin")
      problem(fmt::format("{}: the name \"builtin\" is the builtin responder's; choose another",
                          places[i]));
    while (x.base_url.ends_with('/'))
      x.base_url.pop_back();
  }
}

void option_assembler::check_personas() {
  check_names("personas", value.personas);
  auto& places = places_["personas"];
  std::vector<std::string> names;
  names.reserve(value.llm.deployments.size());
  for (auto& x : value.llm.deployments)
    names.push_back(x.name);
  for (size_t i = 0; i < value.personas.size(); ++i)
    for (auto& name : value.personas[i].llm) {
      if (std::find(names.begin(), names.end(), name) != names.end())
        continue;
      auto near = nearest(name, names);
      problem(fmt::format("{}.llm: there is no deployment {}{}", places[i], toml_string(name),
                          near.empty() ? "; add it under [[llm.deployments]]"
                                       : fmt::format("; did you mean {}?", toml_string(near))));
    }
}

void option_assembler::check_embedding() {
  auto& x = value.embedding;
  while (x.base_url.ends_with('/'))
    x.base_url.pop_back();
  if (x.provider() && x.model.empty())
    problem("embedding.model: is required with embedding.base_url, for example "
            "\"text-embedding-3-small\"");
  if (!x.provider() && !x.model.empty())
    problem("embedding.base_url: is required with embedding.model, for example "
            "\"https://api.openai.com/v1\"");
  if (!x.api_key_env.empty() && !x.api_key_file.empty())
    problem("embedding: \"api_key_env\" and \"api_key_file\" are both given; keep one");
}

void option_assembler::check_lanes() {
  static const std::vector<std::string> lanes{"here", "pool", "detached", "isolated"};
  for (auto& pin : value.work.lanes) {
    auto mark = pin.find('=');
    auto lane = mark == std::string::npos ? std::string{} : pin.substr(mark + 1);
    if (mark != 0 && std::find(lanes.begin(), lanes.end(), lane) != lanes.end())
      continue;
    problem(fmt::format("work.lanes: {} must be OPERATION=LANE, LANE being {}", toml_string(pin),
                        fmt::join(lanes, ", ")));
  }
}

void option_assembler::check_edge() {
  auto& x = value.edge;
  if (x.tls_certificate.empty() != x.tls_key.empty())
    problem("gateway.tls_certificate, gateway.tls_key: give both or neither");
  for (auto& origin : x.cors_origins) {
    auto mark = origin.find("://");
    auto host = mark == std::string::npos ? std::string{} : origin.substr(mark + 3);
    if (mark == 0 || host.empty() || host.find_first_of("/?#*@, ") != std::string::npos)
      problem(fmt::format("gateway.cors_origins: {} must be an origin such as "
                          "\"https://app.example\" or \"http://localhost:3000\"",
                          toml_string(origin)));
  }
}

void option_assembler::check_cluster() {
  auto& x = value.cluster;
  if (x.name.empty())
    return;
  if (auto why = check(x); !why.empty())
    problem(why);
  if (value.storage.url.starts_with("sqlite:"))
    problem("store.url: a cluster keeps its memory in PostgreSQL; give postgresql://HOST/DATABASE, "
            "or leave cluster.name empty");
  auto& link = value.link;
  if (link.certificate.empty() || link.key.empty() || link.ca.empty())
    problem("cluster.certificate, cluster.key, cluster.ca: all are needed, since nodes speak over "
            "mutual TLS only; `sotto cluster certs` makes them");
  if (link.timeout < 2 * link.heartbeat)
    problem("cluster.link_timeout: must be at least twice cluster.link_heartbeat");
}

void option_assembler::check_native() {
  auto& x = value.native;
  if (x.listen.empty())
    return;
  if (!has_role(value.cluster, "gateway"))
    problem("native.listen: is the port of frontends, which a node without the role gateway does "
            "not serve; leave it empty, or add gateway to cluster.roles");
  if (x.certificate.empty() && x.key.empty() && x.ca.empty()) {
    x.certificate = value.link.certificate;
    x.key = value.link.key;
    x.ca = value.link.ca;
  }
  if (x.certificate.empty() || x.key.empty() || x.ca.empty())
    problem("native.certificate, native.key, native.ca: all are needed with native.listen, since "
            "C++ frontends speak over mutual TLS only; `sotto cluster certs` makes them, also for "
            "a node alone");
}

void option_assembler::check_limits() {
  auto& x = value;
  if (x.work.max_items < x.work.min_items)
    problem("work.max_items: must not be smaller than work.min_items");
  if (x.llm.breaker_longest_pause < x.llm.breaker_pause)
    problem("llm.breaker_longest_pause: must not be shorter than llm.breaker_pause");
  if (x.store.restart_bytes < x.store.checkpoint_bytes)
    problem("store.restart_bytes: must not be smaller than store.checkpoint_bytes");
  if (x.gateway.max_text > x.gateway.max_body)
    problem("gateway.max_text: must not be larger than gateway.max_body");
}

void option_assembler::finish() {
  check_deployments();
  check_personas();
  check_embedding();
  check_lanes();
  check_edge();
  check_cluster();
  check_native();
  check_limits();
  if (value.personas.empty()) {
    auto& companion = value.personas.emplace_back();
    for (auto& x : value.llm.deployments)
      companion.llm.push_back(x.name);
  }
  place_store(value.store, value.storage.url, value.node.data);
  value.edge.keys_file = value.edge.keys.empty() ? value.node.data + "/keys.json" : value.edge.keys;
  value.store.partitions = value.node.partitions;
  value.store.space = value.embedding.space();
}

} // namespace sotto
