#include "config/cluster_options.hpp"

#include <algorithm>
#include <cctype>

namespace sotto {

namespace {

bool is_name(const std::string& x) {
  return !x.empty() && x.size() <= 64 && std::all_of(x.begin(), x.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

bool is_role(const std::string& x) {
  return x == "gateway" || x == "worker" || x == "llm";
}

} // namespace

bool has_role(const cluster_options& x, std::string_view role) {
  return x.name.empty() || std::find(x.roles.begin(), x.roles.end(), role) != x.roles.end();
}

std::string check(const cluster_options& x) {
  if (!is_name(x.name))
    return "cluster.name must be 1 to 64 letters, digits, '-', '_' or '.'";
  if (x.roles.empty() || !std::all_of(x.roles.begin(), x.roles.end(), is_role))
    return "cluster.roles must name one or more of gateway, worker, llm";
  if (!(x.capacity > 0 && x.capacity <= 1000))
    return "cluster.capacity must be above 0 and at most 1000";
  if (x.heartbeat.count() <= 0 || x.margin.count() <= 0 || x.lease < 2 * x.heartbeat + x.margin)
    return "cluster.lease must be at least twice cluster.heartbeat and cluster.margin: a heartbeat "
           "that is late once must not cost the lease";
  auto& r = x.rebalance;
  if (r.max_moves == 0 || r.drain_moves == 0)
    return "cluster.max_moves and cluster.drain_moves must be at least 1";
  if (!(r.hot_above >= 0.1) || !(r.hot_floor > 0))
    return "cluster.hot_above must be at least 0.1 and cluster.hot_floor above 0";
  return {};
}

} // namespace sotto
