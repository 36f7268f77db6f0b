#pragma once

#include <map>

#include "actors/link.hpp"

namespace sotto {

/// LINKS' state: a LINK a peer. It is started when the cluster's membership names the peer, or when
/// the peer introduces itself; one that fails is started again.
class links_state {
public:
  static inline const char* name = "links";

  using self_pointer = actor_of<links_actor, links_state>*;

  /// Runs when LINKS ends, for whatever reason: its LINKs end with it.
  ~links_state();

  void init(self_pointer self, std::shared_ptr<const link_parts> parts, route_actor route);

  void hello(const link_hello& who, uint64_t session, const caf::strong_actor_ptr& whom);
  void members(const std::vector<link_member>& all);
  void report(link_state_report x);
  void tell_suspicions(membership_actor to) { membership_ = std::move(to); }
  std::vector<link_state_report> list() const;
  void down(const caf::down_msg& x);

private:
  struct peer {
    link_actor link;
    link_member where;
    link_state_report state;
  };

  peer& start(const std::string& node);
  void locate(const peer& x);
  void tell_link(const std::string& node, const link_actor& link);

  self_pointer self_ = nullptr;
  std::shared_ptr<const link_parts> parts_;
  route_actor route_;
  membership_actor membership_;
  std::map<std::string, peer> peers_;
};

links_actor::behavior_type links(actor_of<links_actor, links_state>* self, link_parts parts,
                                 route_actor route);

} // namespace sotto
