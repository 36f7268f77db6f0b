#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "messages/cluster.hpp"
#include "messages/native.hpp"
#include "nodes/access.hpp"
#include "nodes/call_window.hpp"
#include "nodes/gateway.hpp"
#include "nodes/native_session.hpp"
#include "nodes/socket_work.hpp"
#include "nodes/token_pacer.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// FRONTEND: one C++ frontend that is linked to the node. Started by the port for them. Calls
/// ADMISSION, PARTITION (through ROUTE where it lives on another node) and EMBEDDING.
using native_connection_actor = turn_client_actor::extend_with<event_client_actor>::extend<
    // From the socket, in order: a frame.
    caf::reacts_to<context, atom::frame, std::string>,
    // From the socket, control: it closed. Running turns are cancelled, those with a key go on.
    caf::reacts_to<context, atom::cancel>,
    // Control: the node is ending; the socket is closed when its calls are answered.
    caf::reacts_to<context, atom::drain>,
    // Control: API keys have changed.
    caf::reacts_to<context, atom::tick>,
    // Control: the nodes of the cluster have changed.
    caf::reacts_to<context, atom::members>>;

/// Where frontends find the nodes of the cluster. May be used from any thread.
class native_places {
public:
  void set(std::vector<std::string> all) {
    std::lock_guard guard{mutex_};
    all_ = std::move(all);
  }
  std::vector<std::string> all() const {
    std::lock_guard guard{mutex_};
    return all_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> all_;
};

/// What every FRONTEND is given.
struct native_parts {
  std::shared_ptr<gateway_handles> to;
  /// Outlives it.
  const access* door = nullptr;
  /// Of the node; may be empty.
  std::string node;
  /// Nobody on a node alone.
  std::shared_ptr<const native_places> places;
};

/// FRONTEND's state. The first frame says who it is; from then on its calls run under the numbers
/// that the frontend gave them, by priority and as many at a time as a WebSocket's.
class native_connection_state {
public:
  static inline const char* name = "native_connection";

  using self_pointer = actor_of<native_connection_actor, native_connection_state>*;

  void init(self_pointer self, std::shared_ptr<const native_parts> parts,
            std::shared_ptr<native_channel> channel, frontend_holder holder);

  void frame(const std::string& bytes);
  void closed();
  void drain();
  void check();
  void tell_nodes();
  void token(uint64_t number, stream_piece piece);
  void resumed(uint64_t number, bool recovered);
  void completed(uint64_t number, turn_reply reply);
  void failed(uint64_t number, const failure& why);
  void event(const session_event& x);

private:
  struct call {
    context ctx;
    uint64_t number = 0;
    bool level_given = false;
    native_call body;
    /// Size of its frame.
    size_t bytes = 0;
  };

  struct running_call {
    priority level = priority::normal;
    /// Of a turn: where it was sent; its cancel goes the same way.
    turn_home_actor home;
    owner_key owner;
    std::string conversation;
    token_pacer pacer;
    bool stream = false;
    /// From which byte on the text was asked for.
    uint64_t resume = 0;
  };

  // Who it is, native_hello.cpp
  void hello(const native_hello& x);
  failure admit(const native_hello& x);
  failure decide_tenant(const native_hello& x);

  bool receive(native_call_frame x, size_t bytes);
  bool control(const native_call_frame& x);
  void cancel(uint64_t number);
  void cancel_turn(uint64_t number, const running_call& x, bool lost);
  void start_calls();

  // Each kind of call, native_serve.cpp
  void serve(call& x);
  void say(call& x, turn_request& turn);
  void recall(const call& x, memory_query query);
  void forget(const call& x, const owner_key& user);
  void subscribe(const call& x, native_subscribe wish);
  template <class Result, class... Ts>
  void ask(const call& x, const owner_key& owner, Ts&&... what);
  caf::timespan patience() const { return parts_->to->with.limits.request_timeout; }

  void tell(uint64_t number, native_answer body, priority level = priority::normal);
  /// The last that is told of a call.
  void end(uint64_t number, native_answer body);
  void hang_up(const failure& why);
  void close_if_drained();
  bool welcomed() const { return window_ != nullptr; }

  self_pointer self_ = nullptr;
  std::shared_ptr<const native_parts> parts_;
  std::shared_ptr<native_channel> channel_;
  frontend_holder holder_;
  caller who_;
  std::unique_ptr<call_window<call>> window_;
  /// Calls are numbered upwards, so that none can be taken for another.
  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, running_call> running_;
  /// Conversations whose events are wanted, and until when; at most `gateway.max_subscriptions`.
  std::unordered_map<event_place, int64_t, event_place_hash> wishes_;
  /// That is spoken.
  uint32_t protocol_ = 0;
  bool starting_ = false, closing_ = false, draining_ = false;
};

native_connection_actor::behavior_type
native_connection(actor_of<native_connection_actor, native_connection_state>* self,
                  std::shared_ptr<const native_parts> parts,
                  std::shared_ptr<native_channel> channel, frontend_holder holder);

/// Starts a FRONTEND for every socket of the port.
native_owner connect_frontends(caf::actor_system& system,
                               std::shared_ptr<const native_parts> parts);

} // namespace sotto
