#pragma once

#include <memory>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "messages/frontend.hpp"
#include "nodes/chat_api.hpp"
#include "nodes/gateway.hpp"
#include "nodes/http_session.hpp"
#include "nodes/memory_api.hpp"
#include "nodes/socket_work.hpp"
#include "nodes/token_pacer.hpp"
#include "runtime/base_actor.hpp"

// Stays within the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::http_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::caller)

namespace sotto {

/// CONNECTION: one socket of a frontend, HTTP or WebSocket. Started by the gateway. Calls
/// ADMISSION, PARTITION (through ROUTE where it lives on another node), EMOTION, EMBEDDING and LLM
/// SCHEDULER.
using connection_actor = turn_client_actor::extend_with<event_client_actor>::extend<
    // Of a pass-through generation.
    caf::reacts_to<context, atom::token, uint64_t, std::string>,
    caf::reacts_to<context, atom::completed, uint64_t, completion>,
    // From the socket, in order: a request; who speaks on its WebSocket; it became one (true:
    // JSON); a frame.
    caf::reacts_to<context, atom::request, http_call>,
    caf::reacts_to<context, atom::upgrade, caller>, caf::reacts_to<context, atom::upgrade, bool>,
    caf::reacts_to<context, atom::frame, std::string>,
    // From the socket, control: it closed. Running turns are cancelled.
    caf::reacts_to<context, atom::cancel>,
    // Control: the node is ending; a WebSocket is closed when its calls are answered.
    caf::reacts_to<context, atom::drain>,
    // Own timer: renew the leases of subscriptions.
    caf::reacts_to<context, atom::tick>>;

/// CONNECTION's state. Serves one HTTP request at a time, or many calls of a WebSocket, each under
/// a ticket of its own.
class connection_state {
public:
  static inline const char* name = "connection";

  using self_pointer = actor_of<connection_actor, connection_state>*;

  void init(self_pointer self, std::shared_ptr<gateway_handles> to,
            std::shared_ptr<reply_channel> channel);

  void request(http_call call);
  void admitted(caller who) { who_ = std::move(who); }
  void upgraded(bool json);
  void frame(const std::string& bytes);
  void closed();
  void drain();
  void token(uint64_t ticket, const stream_piece& piece);
  void passed(uint64_t ticket, const std::string& text);
  void resumed(uint64_t ticket, bool recovered);
  void completed(uint64_t ticket, turn_reply reply);
  void completed(uint64_t ticket, completion reply);
  void failed(uint64_t ticket, const failure& why);
  void event(const context& ctx, const session_event& x);
  void renew();

private:
  /// How the answer of the HTTP request under way looks.
  enum class shape : uint8_t { openai, plain, plain_batch };

  struct http_work {
    context ctx;
    std::string trace;
    route on = route::other;
    int64_t received = 0;
    /// The frontend chose the level.
    bool level_given = false;
    shape as = shape::openai;
    chat_call chat;
    plain_batch_call batch;
    /// Results of a batch, and the ticket of its first turn.
    std::vector<nlohmann::json> results;
    size_t left = 0;
    uint64_t first_ticket = 0;
    bool streaming = false;
    /// A stream that is taken up again goes on where it was cut.
    std::optional<bool> recovered;
    bool done = true;
    /// The key allows no more than the level of `ctx`, which is not the one asked for.
    bool lowered = false;
  };

  /// A turn that runs for this socket.
  struct running_turn {
    owner_key owner;
    /// Where it was sent; its cancel goes the same way.
    turn_home_actor home;
    std::string conversation;
    bool direct = false;
    /// Of a WebSocket call.
    nlohmann::json id;
    std::string trace;
    /// The level it runs at, where the key does not allow the one asked for.
    std::optional<priority> lowered;
    token_pacer pacer;
    bool stream = false;
    /// From which byte on the text was asked for.
    uint64_t resume = 0;
  };

  // HTTP, connection_http.cpp
  void route_call(http_call& call);
  void route_post(http_call& call);
  void route_get(http_call& call);
  void route_delete(http_call& call);
  void chat(const http_call& call);
  void plain_chat(const http_call& call);
  void plain_batch(const http_call& call);
  void embeddings(const http_call& call);
  void emotions(const http_call& call);
  void remember(const http_call& call);
  void search(const http_call& call);
  /// Starts to embed all memories anew, or says how far that is.
  void reembed(bool start);

  // connection_forget.cpp
  /// Forgets a user, in groups too; calls back with what went, or the first failure.
  void forget(const context& ctx, const owner_key& user, std::function<void(nlohmann::json)> done,
              std::function<void(const failure&)> fail);

  // connection_cluster.cpp
  void cluster(const http_call& call);
  void describe_cluster(cluster_view x);
  void drain_node(const http_call& call);

  // connection_traces.cpp
  void traces(const http_call& call);
  void answer(http_answer x);
  void answer(const nlohmann::json& body);
  void refuse(const failure& why);
  void answer_batch();
  http_answer readiness() const;

  // Turns, connection.cpp
  uint64_t say(const context& ctx, turn_request turn, running_turn what);
  uint64_t generate(const context& ctx, generation ask);
  void cancel(uint64_t ticket, const running_turn& x, bool lost);
  running_turn take(uint64_t ticket);
  void begin_stream();
  const std::string& stream_model() const;
  int64_t seconds_now() { return self_->unix_micros() / 1'000'000; }
  caf::timespan patience() const { return to_->with.limits.request_timeout; }

  context within(const context& ctx, caf::timespan time) { return sotto::within(self_, ctx, time); }
  context within(const context& ctx) { return within(ctx, patience()); }

  /// Writes memories of several users; calls back with all receipts or the first failure.
  void remember_all(const context& ctx, std::shared_ptr<remember_call> call,
                    std::function<void(const std::vector<memory_receipt>&)> done,
                    std::function<void(const failure&)> fail);

  /// Searches an owner's memories; where a provider embeds, the question first. Without an answer
  /// of it the search goes by words alone.
  void recall(const context& ctx, memory_query query,
              std::function<void(const std::vector<recalled>&)> done,
              std::function<void(const failure&)> fail);

  // WebSocket: which calls run and how they are answered, connection_window.cpp
  bool receive(frontend_call call, size_t bytes);
  void start_calls();
  bool control_call(const frontend_call& call, const std::string& trace);
  void hello_call(const frontend_call& call, const std::string& trace);
  void credit_call(const frontend_call& call, const std::string& trace);
  void cancel_call(const frontend_call& call, const std::string& trace);
  void tell(const nlohmann::json& id, std::string_view type, const std::string& trace,
            nlohmann::json body);
  void tell_error(const nlohmann::json& id, const std::string& trace, const failure& why);
  void stream(running_turn& x, stream_piece piece);
  void tell_piece(const stream_piece& piece);
  void tell_resumed(const running_turn& x, bool recovered);
  void tell_token(const running_turn& x, stream_piece piece);
  void end_call(const nlohmann::json& id, const std::string& trace, nlohmann::json body);
  void end_error(const nlohmann::json& id, const std::string& trace, const failure& why);
  void call_ended();
  void close_if_drained();

  // WebSocket: each kind of call, connection_socket.cpp
  void serve(const context& ctx, const frontend_call& call, const std::string& trace);
  void say_call(const context& ctx, const frontend_call& call, const std::string& trace);
  void memory_call(const context& ctx, const frontend_call& call, const std::string& trace);
  void forget_call(const context& ctx, const frontend_call& call, const std::string& trace);
  void emotion_call(const context& ctx, const frontend_call& call, const std::string& trace);

  // WebSocket: events, connection_events.cpp
  void subscribe_call(const frontend_call& call, const std::string& trace);
  void unsubscribe_call(const frontend_call& call, const std::string& trace);
  bool listen(event_wish wish);
  void follow(const turn_request& turn);
  void ask_events(const event_wish& wish, caf::timespan time);
  void end_events();
  void arm_renewal();

  self_pointer self_ = nullptr;
  std::shared_ptr<gateway_handles> to_;
  std::shared_ptr<reply_channel> channel_;
  /// Of the request under way, or of the WebSocket.
  caller who_;
  http_work work_;
  std::unordered_map<uint64_t, running_turn> running_;
  uint64_t next_ticket_ = 1;
  /// Set once the socket is a WebSocket.
  std::unique_ptr<socket_work> socket_;
  bool draining_ = false;
};

connection_actor::behavior_type connection(actor_of<connection_actor, connection_state>* self,
                                           std::shared_ptr<gateway_handles> to,
                                           std::shared_ptr<reply_channel> channel);

/// Starts a CONNECTION for every socket of a server.
socket_owner connect_sockets(caf::actor_system& system, std::shared_ptr<gateway_handles> to);

/// The page at `/`.
std::string_view dashboard_page();

} // namespace sotto
