// The operator's calls about the cluster.
#include "messages/json_input.hpp"
#include "nodes/cluster_api.hpp"
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

void connection_state::cluster(const http_call& call) {
  if (!to_->membership)
    return refuse({ec::not_found,
                   "this node is alone: it belongs to a cluster when cluster.name is set",
                   {}});
  auto ctx = self_->child(work_.ctx);
  auto fail = [this](const caf::error& err) { refuse(to_failure(err)); };
  if (call.path == cluster_path)
    self_->request(to_->membership, patience(), ctx, atom::list_v)
        .then([this](cluster_view& x) { describe_cluster(std::move(x)); }, fail);
  else if (call.path == cluster_rebalance_path)
    self_->request(to_->membership, patience(), ctx, atom::rebalance_v)
        .then([this](cluster_view& x) { describe_cluster(std::move(x)); }, fail);
  else
    drain_node(call);
}

void connection_state::describe_cluster(cluster_view x) {
  auto view = std::make_shared<cluster_view>(std::move(x));
  self_->request(to_->links, patience(), self_->child(work_.ctx), atom::list_v)
      .then(
          [this, view](const std::vector<link_state_report>& links) {
            answer(to_json_value(*view, links));
          },
          [this, view](const caf::error&) { answer(to_json_value(*view, {})); });
}

void connection_state::drain_node(const http_call& call) {
  failure why;
  auto body = parse_json(call.body, why);
  auto wish = why ? drain_request{} : read_drain(body, why);
  if (why)
    return refuse(why);
  auto ctx = self_->child(work_.ctx);
  auto done = [this](const drain_progress& x) { answer(to_json_value(x)); };
  auto fail = [this](const caf::error& err) { refuse(to_failure(err)); };
  if (wish.resume)
    self_->request(to_->membership, patience(), ctx, atom::resumed_v, wish.node).then(done, fail);
  else
    self_->request(to_->membership, patience(), ctx, atom::drain_v, wish.node).then(done, fail);
}

} // namespace sotto
