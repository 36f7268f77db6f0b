#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "actors/link_metrics.hpp"
#include "actors/link_window.hpp"
#include "config/link_options.hpp"
#include "messages/link.hpp"
#include "runtime/asking_actor.hpp"
#include "runtime/weighed_queue.hpp"

namespace sotto {

/// What the LINKs of a node are made of. The functions are called on LINK's thread.
struct link_parts {
  link_options options;
  /// Who this node is; its windows follow from `options`.
  link_hello self;
  /// Gets back what was not done.
  link_client_actor route;
  /// Is told of LINKs too, where it is somebody.
  llm_route_actor llm_route;
  /// Where a partition's turns go, and its PARTITION; nobody: it is not this node's.
  std::function<turn_home_actor(uint32_t partition)> turns;
  std::function<listened_partition_actor(uint32_t partition)> home;
  /// Who generates here for other nodes; empty: nobody, the node has not the role.
  std::function<llm_actor()> models;
  /// Generations that run here for others, of all LINKs.
  std::shared_ptr<std::atomic<size_t>> generating = std::make_shared<std::atomic<size_t>>(0);
  /// Starts to connect; `connected` or `failed` follows.
  std::function<void(const link_actor& self, const std::string& host, uint16_t port)> dial;
};

/// LINK's state.
///
///   apart ─► dialing ─► greeting ─► together ─► (lost) apart
///
/// Asking: calls wait by level for the peer's window; what was sent is kept until its answer. When
/// the peer is lost, what may be repeated (see `repeatable`) waits for it again, and all else is
/// answered `unavailable`. Serving: it is the client of the peer's turns and requests. Turns that
/// run when the peer is lost are told so: those with a key go on.
class link_state {
public:
  static inline const char* name = "link";

  using self_pointer = caf::stateful_actor<link_state, asking_actor<link_actor::base>>*;

  void init(self_pointer self, std::shared_ptr<const link_parts> parts, std::string peer,
            links_actor owner);

  // The peer, link.cpp
  void introduce(const link_hello& who, uint64_t session, const caf::strong_actor_ptr& whom);
  void welcomed(const link_hello& who, uint64_t session, const caf::strong_actor_ptr& whom);
  void refused(uint64_t session, const failure& why);
  void locate(std::string host, uint16_t port);
  void connected(const link_door_actor& door);
  void unreachable(const failure& why);
  void down(const caf::down_msg& x);
  void tick();
  /// Ends: what did not go goes back to ROUTE.
  void close();

  // Frames, link_frames.cpp
  void frames(uint64_t session, std::vector<link_frame>& xs);
  void credited(uint64_t session, link_credit x);
  void flush();

  // Asking, link_asking.cpp
  void call(routed_call x);
  void cancel(const turn_client_actor& client, uint64_t ticket, bool lost);
  void settle(uint32_t partition);

  // Generations of either side, link_generating.cpp
  void generate(const context& ctx, llm_client_actor client, uint64_t ticket, generation ask);
  void cancel_generation(const llm_client_actor& client, uint64_t ticket);
  void generated(uint64_t ticket, std::string text);
  void generated(uint64_t ticket, completion& result);

  // Serving, link_serving.cpp: calls of the peer by their tickets
  void piece(const context& ctx, uint64_t ticket, const stream_piece& x);
  void resumed(uint64_t ticket, bool recovered);
  void completed(uint64_t ticket, turn_reply& reply);
  void failed(uint64_t ticket, const failure& why);
  void event(const context& ctx, session_event& x);
  void answered(uint64_t ticket, const caf::message& answer);
  void gathered();

private:
  enum class phase : uint8_t { apart, dialing, greeting, together };

  /// A call of this node's.
  struct asked_call {
    routed_call what;
    /// As it will be sent; empty once it was.
    std::string bytes;
    bool sent = false;
    /// Something of its answer was told.
    bool begun = false;
    int64_t since = 0, sent_at = 0;
    int64_t due = 0;
  };

  /// A call of the peer's.
  struct served_call {
    /// As the peer names it.
    uint64_t number = 0;
    context ctx;
    uint32_t partition = 0;
    /// Of a turn: where it runs, and its conversation.
    turn_home_actor home;
    owner_key owner;
    std::string conversation;
    /// Of a generation: who generates, and how much it has told.
    llm_actor model;
    uint64_t told = 0;
    /// Of a request.
    uint64_t asked = 0;
    int64_t due = 0;
    bool spoken = false;
    stream_piece gathered;
    size_t pieces = 0;
  };

  struct listener {
    event_client_actor client;
    uint8_t kinds = 0;
    int64_t until = 0;
  };

  using turn_name = std::pair<caf::actor_id, uint64_t>;
  struct name_hash {
    size_t operator()(const turn_name& x) const {
      return std::hash<uint64_t>{}(x.first * 0x9e3779b97f4a7c15ULL ^ x.second);
    }
  };

  /// The peer is asked to say when it has a partition's calls.
  struct settling {
    int64_t since = 0;
    bool synced = false;
    /// A call came back since: until it is asked anew the peer gives back all others too.
    bool again = false;
  };

  bool together() const { return phase_ == phase::together; }
  void dial();
  void meet(const link_hello& who, uint64_t session, const caf::strong_actor_ptr& whom);
  void part(const failure& why);
  void retry_later();
  void report(std::string why);
  void publish() const;
  void arm();

  void take(link_frame& x);
  bool queue(link_frame x);
  failure no_room() const;
  void urgent(link_frame x);
  void dropped(const link_frame& x);
  void post(link_frame x);
  void pump();
  bool ready(link_frame& x);

  void take_on(routed_call x);
  void enqueue_call(uint64_t number, asked_call& x);
  caf::message subscribe(routed_call& x);
  void take_piece(const link_frame& x);
  void take_answer(const link_frame& x);
  void first_word(asked_call& x);
  void take_text(const routed_call& call, caf::message& what);
  bool take_last(const routed_call& call, caf::message& what);
  void take_event(const link_frame& x);
  void take_moved(uint64_t number);
  void give_back(uint64_t number);
  std::vector<uint64_t> numbers_of(const std::function<bool(const asked_call&)>& which) const;
  void synced(uint32_t partition);
  void go_on_settling(uint32_t partition);
  void ask_to_settle(uint32_t partition);
  void tell_settled(uint32_t partition);
  void asking_lost();
  void expire(int64_t now);
  void tell_cancel(uint64_t number, bool lost);
  void answer(const routed_call& x, const failure& why);
  routed_call take_call(uint64_t number);

  void serve(link_frame& x);
  void serve_turn(const link_frame& x, caf::message& what);
  void serve_request(const link_frame& x, caf::message& what);
  void serve_generation(const link_frame& x, caf::message& what);
  void serve_cancel(const link_frame& x);
  void serving_lost();
  uint64_t take_in(const link_frame& x, const context& ctx);
  void give_up_served(uint64_t number, bool lost);
  void abandon(uint64_t ticket, const served_call& x, bool lost);
  served_call take_served(std::unordered_map<uint64_t, served_call>::iterator at);
  void finish(uint64_t ticket, const caf::message& last);
  bool flush_piece(uint64_t ticket, served_call& x);
  void expire_served(int64_t now);
  void say_moved(uint64_t number, uint32_t partition);
  void say_failed(uint64_t number, const failure& why);
  link_frame frame_of(frame_kind kind, uint64_t number, priority level, const caf::message& what);

  self_pointer self_ = nullptr;
  std::shared_ptr<const link_parts> parts_;
  std::string peer_name_;
  links_actor owner_;
  std::unique_ptr<link_metrics> metrics_;

  phase phase_ = phase::apart;
  std::string host_;
  uint16_t port_ = 0;
  link_peer_actor peer_;
  std::string peer_version_;
  uint64_t session_ = 0;
  /// When connecting is tried again, or given up.
  int64_t next_try_ = 0;
  uint32_t tries_ = 0;
  std::string last_why_;
  bool armed_ = false, flushing_ = false, gathering_armed_ = false;

  send_window window_;
  std::unique_ptr<credit_gatherer> credit_;
  std::unique_ptr<weighed_queue<link_frame>> queue_;
  std::vector<link_frame> outbox_;
  size_t outbox_bytes_ = 0;

  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, asked_call> asked_;
  std::unordered_map<turn_name, uint64_t, name_hash> turns_;
  std::map<uint32_t, settling> syncing_;
  /// Turns that the peer has, by partition.
  std::unordered_map<uint32_t, uint32_t> turns_there_;
  std::unordered_map<std::string, std::vector<listener>> listeners_;

  /// By the ticket under which a call is known on this node, which names no other ever. Numbers are
  /// the peer's: it counts anew when it was started again, and asks again under the same one when
  /// the link was lost, while a turn with a key still runs here for what was lost.
  std::unordered_map<uint64_t, served_call> served_;
  /// By number.
  std::unordered_map<uint64_t, uint64_t> tickets_;
  uint64_t last_ticket_ = 0;
  /// Partitions whose calls are answered `moved` until a `sync`.
  std::unordered_set<uint32_t> moved_;
  std::unordered_set<uint64_t> gathering_;
};

/// Whether a call may be made again when it is not known what became of it: reads, writes of
/// memories that all have ids, and turns with a key of which nothing was told. Not so turns without
/// a key, and removals, whose answer would be another.
bool repeatable(const routed_call& x);

/// Tells whoever waits for a call that there will be no answer.
void refuse_call(caf::strong_actor_ptr from, const routed_call& x, const failure& why);

link_actor::behavior_type
link(caf::stateful_actor<link_state, asking_actor<link_actor::base>>* self,
     std::shared_ptr<const link_parts> parts, std::string peer, links_actor owner);

} // namespace sotto
