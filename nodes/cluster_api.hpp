#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "messages/cluster.hpp"
#include "messages/link.hpp"

namespace sotto {

/// The surface of `/v1/admin/cluster`, as values.

inline constexpr auto cluster_path = "/v1/admin/cluster";
inline constexpr auto cluster_drain_path = "/v1/admin/cluster/drain";
inline constexpr auto cluster_rebalance_path = "/v1/admin/cluster/rebalance";

/// `{node, age_ms, nodes: [...], partitions: [...], moving}`; nodes by name, partitions by number.
nlohmann::json to_json_value(const cluster_view& x, const std::vector<link_state_report>& links);

nlohmann::json to_json_value(const drain_progress& x);

/// What a body asks to drain.
struct drain_request {
  std::string node;
  /// Takes a drain back.
  bool resume = false;
};

/// Reads `{node, resume?}`; `why` says what is wrong with it.
drain_request read_drain(const nlohmann::json& body, failure& why);

} // namespace sotto
