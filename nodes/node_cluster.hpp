#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "actors/membership.hpp"
#include "actors/partition_host.hpp"
#include "nodes/gateway.hpp"
#include "nodes/node_frame.hpp"
#include "runtime/fence.hpp"

namespace sotto {

/// A node's part in a cluster: the port for its peers, ROUTE, LINKS and MEMBERSHIP. A node alone
/// has none of it, and all functions do nothing then.
class node_cluster {
public:
  explicit node_cluster(const options& with) : with_(with) {}

  bool on() const { return !with_.cluster.name.empty(); }

  /// Has the actor system speak to other nodes; before it is made. Fails where a certificate does
  /// not serve.
  failure prepare(caf::actor_system_config& config);

  /// What the store is to check writes by; nothing on a node alone.
  std::shared_ptr<const fence> writes() const { return fence_; }

  /// Starts ROUTE and LINKS and opens the port for peers. Nothing is served before `join`.
  failure open(node_frame& in, gateway_handles& to);

  /// What PARTITION HOST needs to know of the cluster.
  void complete(partition_host_parts& host, gateway_handles& to) const;

  /// Starts MEMBERSHIP, which claims partitions for `host`. `http` is where frontends reach the
  /// node, `native` where those in C++ do; may be empty.
  failure join(node_frame& in, gateway_handles& to, const partition_host_actor& host,
               const std::string& http, const std::string& native);

  /// Hands all partitions to other nodes, as long as there are some that take them, until the time
  /// (monotonic nanoseconds). Turns are served meanwhile.
  void hand_over(caf::actor_system& in, gateway_handles& to, int64_t until);

  /// Waits for what is generated here for other nodes, until the time (monotonic nanoseconds). New
  /// generations are refused, and find another node. False: some are not over.
  bool finish_generations(int64_t until) const;

  /// Leaves the cluster at once; nothing is served any more.
  void leave(caf::actor_system& in, gateway_handles& to);

private:
  void watch(node_frame& in) const;

  const options& with_;
  std::string incarnation_;
  std::string authority_;
  std::string address_;
  std::shared_ptr<fence> fence_;
  std::shared_ptr<serving_lease> serving_;
  std::shared_ptr<std::atomic<size_t>> generating_ = std::make_shared<std::atomic<size_t>>(0);
  route_actor route_;
  links_actor links_;
};

} // namespace sotto
