#include "actors/links.hpp"

#include <spdlog/spdlog.h>

#include "actors/link_hello.hpp"

namespace sotto {

namespace {

/// Peers that introduced themselves before the membership named them: no more than these.
constexpr size_t most_peers = 4096;

} // namespace

links_state::~links_state() {
  for (auto& [node, x] : peers_)
    caf::anon_send_exit(x.link, caf::exit_reason::user_shutdown);
}

void links_state::init(self_pointer self, std::shared_ptr<const link_parts> parts,
                       route_actor route) {
  self_ = self;
  parts_ = std::move(parts);
  route_ = std::move(route);
}

links_state::peer& links_state::start(const std::string& node) {
  auto& x = peers_[node];
  if (x.link)
    return x;
  x.where.node = x.state.node = node;
  x.link = self_->home_system().spawn(link, parts_, node, links_actor{self_});
  self_->monitor(x.link);
  tell_link(node, x.link);
  return x;
}

/// `link`: nobody where it has ended.
void links_state::tell_link(const std::string& node, const link_actor& link) {
  self_->send<caf::message_priority::high>(route_, context{}, atom::peer_v, node, link);
  if (parts_->llm_route)
    self_->send<caf::message_priority::high>(parts_->llm_route, context{}, atom::peer_v, node,
                                             llm_actor{link});
}

void links_state::locate(const peer& x) {
  if (x.where.port != 0)
    self_->send<caf::message_priority::high>(x.link, context{}, atom::peer_v, x.where.host,
                                             x.where.port);
}

void links_state::hello(const link_hello& who, uint64_t session,
                        const caf::strong_actor_ptr& whom) {
  auto to = caf::actor_cast<link_peer_actor>(whom);
  if (!to)
    return;
  auto why = check_hello(parts_->self, who.node, who);
  if (!why && !peers_.contains(who.node) && peers_.size() >= most_peers)
    why = {ec::overloaded, "there are too many nodes", {}};
  if (why) {
    spdlog::warn("node {} was refused: {}", who.node, why.message);
    self_->send<caf::message_priority::high>(to, context{}, atom::refused_v, session, why);
    return;
  }
  self_->send<caf::message_priority::high>(start(who.node).link, context{}, atom::hello_v, who,
                                           session, whom);
}

void links_state::members(const std::vector<link_member>& all) {
  std::map<std::string, link_member> named;
  for (auto& x : all)
    if (x.node != parts_->self.node)
      named[x.node] = x;
  for (auto& [node, x] : peers_)
    if (!named.contains(node)) {
      x.where.port = 0; // not started again
      self_->send_exit(x.link, caf::exit_reason::user_shutdown);
    }
  for (auto& [node, where] : named) {
    auto& x = start(node);
    x.where = where;
    locate(x);
  }
}

void links_state::report(link_state_report x) {
  auto at = peers_.find(x.node);
  if (at == peers_.end())
    return;
  if (at->second.state.up && !x.up && membership_)
    self_->send<caf::message_priority::high>(membership_, context{}, atom::suspect_v, x.node);
  at->second.state = std::move(x);
}

std::vector<link_state_report> links_state::list() const {
  std::vector<link_state_report> result;
  for (auto& [node, x] : peers_)
    result.push_back(x.state);
  return result;
}

void links_state::down(const caf::down_msg& x) {
  for (auto& [node, y] : peers_) {
    if (!y.link || x.source != y.link)
      continue;
    auto where = y.where;
    tell_link(node, link_actor{});
    peers_.erase(where.node);
    if (where.port != 0) {
      spdlog::error("the link to node {} failed ({}) and is started again", where.node,
                    to_string(x.reason));
      auto& again = start(where.node);
      again.where = where;
      locate(again);
    }
    return;
  }
}

links_actor::behavior_type links(actor_of<links_actor, links_state>* self, link_parts parts,
                                 route_actor route) {
  auto& state = self->state;
  parts.self.window = parts.options.window;
  parts.self.window_bytes = parts.options.window_bytes;
  parts.route = route;
  state.init(self, std::make_shared<const link_parts>(std::move(parts)), std::move(route));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [&state](const context&, atom::hello, const link_hello& who, uint64_t session,
               const caf::strong_actor_ptr& x) { state.hello(who, session, x); },
      [&state](const context&, atom::members, const std::vector<link_member>& all) {
        state.members(all);
      },
      [&state](const context&, atom::peer, link_state_report& x) { state.report(std::move(x)); },
      [&state](const context&, atom::suspect, membership_actor& x) {
        state.tell_suspicions(std::move(x));
      },
      [&state](const context&, atom::list) { return state.list(); },
  };
}

} // namespace sotto
