#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "messages/actors.hpp"
#include "messages/admission.hpp"
#include "messages/events.hpp"
#include "messages/link.hpp"
#include "messages/reembed.hpp"
#include "nodes/gateway_metrics.hpp"
#include "nodes/openai_api.hpp"
#include "nodes/partition_table.hpp"
#include "runtime/node_load.hpp"
#include "runtime/services.hpp"

namespace sotto {

/// What the surfaces of a node reach. Shared by all CONNECTIONs; outlives them.
struct gateway_handles {
  explicit gateway_handles(const options& from, node_services& services)
      : with(from), metrics(services.metrics) {}

  listened_partition_actor home_of(const owner_key& owner) const {
    return partitions.home_of(owner);
  }

  /// Where turns go. In a cluster all of them, also those that stay here: so they keep their order
  /// while their partition moves.
  turn_home_actor turns_of() const { return turns ? turns : turn_home_actor{admission}; }

  surface with;
  partition_table partitions;
  /// Where this node's turns wait.
  admission_actor admission;
  /// ROUTE; nobody on a node alone.
  turn_home_actor turns;
  std::shared_ptr<node_load> load = std::make_shared<node_load>();
  emotion_actor emotion;
  /// All of them, for arrays.
  std::vector<emotion_actor> emotions;
  embedding_actor embedding;
  /// A provider embeds: shards cannot do it for a question by themselves.
  bool embeds_elsewhere = false;
  /// LLM SCHEDULER; where other nodes have the role llm, LLM ROUTE, which then is the second too.
  llm_actor llm;
  llm_route_actor llm_route;
  /// Nobody where the built-in embedder is used: its vectors are not stored.
  reembed_actor reembed;
  /// Nobody on a node alone.
  membership_actor membership;
  links_actor links;
  gateway_metrics metrics;
  /// The text of `GET /metrics`.
  std::function<std::string()> metrics_text;
  /// New turns are refused while it is set; `/readyz` says so.
  std::atomic<bool> draining{false};
  /// Why the node is not ready, as a static text: it has not yet joined its cluster, or is on its
  /// way out of it. Turns are served all the same where there is a way.
  std::atomic<const char*> unready{nullptr};
};

/// The context of a request that is too late when its answer is no longer waited for.
template <class Self>
context within(Self* self, const context& ctx, caf::timespan time) {
  auto x = self->child(ctx);
  auto until = self->nanos() + time.count();
  if (x.deadline == 0 || x.deadline > until)
    x.deadline = until;
  return x;
}

} // namespace sotto
