#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include "messages/admission.hpp"
#include "messages/cluster.hpp"
#include "messages/events.hpp"
#include "messages/moved.hpp"

/// What nodes say to each other, and what the actors say that carry it.
///
///   CONNECTION ─► ROUTE ─┬─► ADMISSION, PARTITION (of this node)
///                        └─► LINK ═══ TLS ═══ LINK ─► ADMISSION, PARTITION (of the other)
///   SESSION ─► LLM ROUTE ──► LINK ═══ TLS ═══ LINK ─► LLM SCHEDULER (of the other)
///
/// LINKS owns one LINK a peer. Its messages between nodes are control: windows bound them.
namespace sotto {

namespace atom {

// NOLINTBEGIN(bugprone-macro-parentheses): a declared name cannot stand in parentheses
#define SOTTO_ATOM(name)                                                                           \
  using name = caf::atom_constant<caf::atom(#name)>;                                               \
  inline constexpr name name##_v {}
// NOLINTEND(bugprone-macro-parentheses)

SOTTO_ATOM(call);
SOTTO_ATOM(connected);
SOTTO_ATOM(credit);
SOTTO_ATOM(flush);
SOTTO_ATOM(frames);
SOTTO_ATOM(hello);
SOTTO_ATOM(peer);
SOTTO_ATOM(place);
SOTTO_ATOM(refused);
SOTTO_ATOM(returned);
SOTTO_ATOM(welcome);

#undef SOTTO_ATOM

} // namespace atom

/// Protocols between nodes that this release speaks, oldest and newest. Two releases whose ranges
/// meet run in one cluster. A change of anything that crosses (also of the values inside calls)
/// makes a new one.
inline constexpr uint32_t oldest_link_protocol = 2, newest_link_protocol = 3;
/// The first in which a node may ask another for generations.
inline constexpr uint32_t generations_link_protocol = 3;

/// How a node introduces itself.
struct link_hello {
  /// Of the cluster; two clusters never talk.
  std::string cluster;
  std::string node;
  /// Another one after each start.
  std::string incarnation;
  /// Of the program, for people.
  std::string version;
  uint32_t oldest = oldest_link_protocol, newest = newest_link_protocol;
  /// What it takes before it gives credit: frames and their bytes.
  uint64_t window = 0, window_bytes = 0;
};

enum class frame_kind : uint8_t {
  /// A message to the partition's owner, or a generation; `number` names it until its answer.
  call,
  /// The caller of `number` gave up, or (true) was lost.
  cancel,
  /// Something of a turn or a generation under way: a piece of its text, or whether a turn goes on
  /// where it was cut.
  piece,
  /// The last of `number`.
  answer,
  /// The node does not own the partition and has done nothing. It says so to every call of the
  /// partition until a `sync`, so that none overtakes another.
  moved,
  /// A conversation that the node listens to.
  event,
  /// Answered with `synced` when the partition's calls before it were taken or have moved.
  sync,
  synced,
};

struct link_frame {
  frame_kind kind = frame_kind::call;
  priority level = priority::normal;
  uint32_t partition = 0;
  uint64_t number = 0;
  /// Nanoseconds that are left of a call's deadline; 0: it has none.
  int64_t left = 0;
  /// A message as CAF writes it: read by LINK, so that one that is not known can be answered.
  std::string bytes;
};

/// LINK as the LINK of the other node sees it. `session` tells one meeting of the two from another.
using link_peer_actor = caf::typed_actor<
    // The answer to `hello`: who it is, and its LINK.
    caf::reacts_to<context, atom::welcome, link_hello, uint64_t, caf::strong_actor_ptr>,
    // It will not talk, and why.
    caf::reacts_to<context, atom::refused, uint64_t, failure>,
    caf::reacts_to<context, atom::frames, uint64_t, std::vector<link_frame>>,
    // So many frames and bytes were taken since.
    caf::reacts_to<context, atom::credit, uint64_t, uint64_t, uint64_t>>;

/// What a node shows at its cluster port: the LINK of a peer introduces itself.
using link_door_actor = caf::typed_actor<
    caf::reacts_to<context, atom::hello, link_hello, uint64_t, caf::strong_actor_ptr>>;

/// Partition of what is for none.
inline constexpr uint32_t no_partition = UINT32_MAX;

/// A message of PARTITION's protocol, or a generation, on its way to another node, with whoever
/// waits for the answer.
struct routed_call {
  /// Among the calls of ROUTE.
  uint64_t order = 0;
  uint32_t partition = 0;
  context ctx;
  /// As PARTITION takes it, without its client.
  caf::message what;
  /// Of a request.
  caf::strong_actor_ptr asker;
  caf::message_id request;
  /// Of a turn.
  turn_client_actor client;
  uint64_t ticket = 0;
  /// Of a generation, which has a ticket too.
  llm_client_actor generating;
  /// Of a subscription.
  event_client_actor listener;
  /// How long ROUTE has held it, and since when it does (nanoseconds): however often it comes back,
  /// it is held for no longer than once.
  int64_t held = 0, held_since = 0;
};

/// ROUTE as LINK sees it. All control.
using link_client_actor = caf::typed_actor<
    // The peer does not own the partition and has done nothing with the call.
    caf::reacts_to<context, atom::returned, routed_call>,
    // All calls of the partition are with the peer or came back; of its turns none is there any
    // more, unless one takes long. Names the peer.
    caf::reacts_to<context, atom::settled, uint32_t, std::string>>;

/// LINK: carries calls to one peer, and the peer's to this node. Started by LINKS. For LLM ROUTE it
/// is the peer's LLM: what it cannot take there, or lost there, fails as `unavailable`.
/// Calls the LINK of the other node; as its proxy, ADMISSION, PARTITION and LLM SCHEDULER.
using link_actor = link_peer_actor::extend_with<turn_client_actor>::
    extend_with<event_client_actor>::extend_with<llm_actor>::extend<
        // Of generations for the peer; `failed` is as of turns.
        caf::reacts_to<context, atom::token, uint64_t, std::string>,
        caf::reacts_to<context, atom::completed, uint64_t, completion>,
        // Control, from ROUTE: takes a call to the peer and answers whoever waits.
        caf::reacts_to<context, atom::call, routed_call>,
        // Control: the client gave the turn up, or (true) was lost.
        caf::reacts_to<context, atom::cancel, turn_client_actor, uint64_t, bool>,
        // Control: calls of the partition that did not go yet are returned; `settled` follows.
        caf::reacts_to<context, atom::settle, uint32_t>,
        // Control, of LINKS: the peer's LINK introduces itself; where the peer listens (host, port;
        // port 0: it is the peer who connects).
        caf::reacts_to<context, atom::hello, link_hello, uint64_t, caf::strong_actor_ptr>,
        caf::reacts_to<context, atom::peer, std::string, uint16_t>,
        // Control, of CONNECTOR: the peer's door, or why there is none.
        caf::reacts_to<context, atom::connected, link_door_actor>,
        caf::reacts_to<context, atom::failed, failure>,
        // Own timers: deadlines and connecting; pieces that were gathered; frames to be sent.
        caf::reacts_to<context, atom::tick>, caf::reacts_to<context, atom::token>,
        caf::reacts_to<context, atom::flush>>;

/// Another node of the cluster, and where its cluster port is.
struct link_member {
  std::string node;
  std::string host;
  uint16_t port = 0;
};

/// How it stands with a peer.
struct link_state_report {
  std::string node;
  bool up = false;
  /// Of the peer, once it introduced itself.
  std::string version;
  /// Why it is not up; may be empty.
  std::string why;
};

/// LINKS: one a node; owns the LINKs and stands at the cluster port.
using links_actor = link_door_actor::extend<
    // Control: all other nodes of the cluster. LINKs of those left out end.
    caf::reacts_to<context, atom::members, std::vector<link_member>>,
    // Control, of a LINK: how it stands with its peer.
    caf::reacts_to<context, atom::peer, link_state_report>,
    // Control: who is told of peers whose links are lost.
    caf::reacts_to<context, atom::suspect, membership_actor>,
    caf::replies_to<context, atom::list>::with<std::vector<link_state_report>>>;

/// LLM ROUTE: the LLM of a node that has not the role; takes generations to nodes that have it.
/// Called by SESSION and CONNECTION. Calls LINK, and BUILTIN where no model is asked for.
using llm_route_actor = llm_actor::extend_with<llm_client_actor>::extend<
    // Control: all nodes of the cluster, when something of them has changed.
    caf::reacts_to<context, atom::members, std::vector<cluster_member>>,
    // Control, of LINKS: the LINK to a peer, as its LLM; none: it has ended.
    caf::reacts_to<context, atom::peer, std::string, llm_actor>,
    // Own timer.
    caf::reacts_to<context, atom::tick>>;

/// Where a partition lives.
struct route_place {
  enum class kind : uint8_t {
    /// Nobody has it, or it moves: what is for it is held.
    moving,
    /// On this node.
    here,
    /// On the node `node`.
    peer,
  };
  kind at = kind::moving;
  listened_partition_actor home;
  std::string node;
  /// Of a partition that lives here: under which it was claimed.
  uint64_t epoch = 0;
};

/// ROUTE: one a node; takes what is for any partition to where it lives, turns of this node's
/// partitions to ADMISSION. What came from another node is not taken to a third: it is answered
/// `partition_moved`, and the node that asked tries again.
/// Called by whoever calls PARTITION, by LINKS and by the cluster's membership. Calls ADMISSION.
using route_actor = listened_partition_actor::extend_with<link_client_actor>::extend<
    // Control: where a partition lives from now on.
    caf::reacts_to<context, atom::place, uint32_t, route_place>,
    // Control: answered when ADMISSION has given back what waits there. All else that ROUTE sent to
    // the partition's place before is with it by then: whoever lets a partition go says `place`
    // (moving), asks this, and then drains it.
    caf::replies_to<context, atom::settle, uint32_t>::with<atom::settled>,
    // Control, of LINKS: the LINK to a peer; none: it has ended.
    caf::reacts_to<context, atom::peer, std::string, link_actor>>;

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, link_hello& x) {
  return f(caf::meta::type_name("link_hello"), x.cluster, x.node, x.incarnation, x.version,
           x.oldest, x.newest, x.window, x.window_bytes);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, link_frame& x) {
  return f(caf::meta::type_name("link_frame"), x.kind, x.level, x.partition, x.number, x.left,
           x.bytes);
}

} // namespace sotto

// Stay within the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::routed_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::link_member>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::link_state_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<sotto::link_state_report>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::route_place)
