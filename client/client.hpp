#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "messages/error.hpp"
#include "messages/event.hpp"
#include "messages/memory.hpp"
#include "messages/turn.hpp"

/// What a C++ program needs to be a frontend of Sotto: it links itself to a node over mutual TLS,
/// goes on with another when that one is lost, and sends values as nodes have them
/// (`turn_request`, `memory_query`, ...). Programs of actors take `client/client_actor.hpp`.
namespace sotto {

class client_engine;

/// How a client finds its nodes, and as whom.
struct client_options {
  /// HOST:PORT of `native.listen` of one node or several, in order of preference. The node it is
  /// linked to names the others.
  std::vector<std::string> nodes;
  /// PEM files, as `sotto cluster certs --frontend NAME` makes them: the frontend's certificate and
  /// its key, and the cluster's authority.
  std::string certificate;
  std::string key;
  std::string ca;
  /// Of `sotto keys create`; empty where the nodes ask for none.
  std::string api_key;
  /// The tenant to act for where it is not the key's own; takes an admin key.
  std::string tenant;
  /// How long a link may take to be made, and how long until all nodes are tried again: doubled
  /// each time, from the first to the last.
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds{2};
  std::chrono::nanoseconds retry_first = std::chrono::milliseconds{50};
  std::chrono::nanoseconds retry_last = std::chrono::seconds{2};
  /// A node that says nothing for so long is lost.
  std::chrono::nanoseconds silence = std::chrono::seconds{3};
  /// How long a call waits for a node that takes it before it fails with `ec::unavailable`.
  std::chrono::nanoseconds hold = std::chrono::seconds{30};
  /// Calls that may be under way or wait; more are refused with `ec::overloaded`.
  size_t max_calls = 1024;
};

/// What came of a call: the value, or why there is none.
template <class T>
struct answer {
  T value{};
  failure why;

  explicit operator bool() const { return !why; }
  T& operator*() { return value; }
  T* operator->() { return &value; }
};

/// What may be said of every call.
struct call_options {
  /// Where it is not given the node decides.
  std::optional<priority> level;
  /// From now; 0: none. What is late is not done.
  std::chrono::nanoseconds deadline{0};
};

/// What a turn tells. Any may be empty.
struct turn_handlers {
  /// A piece of the reply, in order; where it is given the turn asks for a stream.
  std::function<void(const stream_piece&)> piece;
  /// The pieces before are void: the node was lost, and the turn had to be run anew.
  std::function<void()> anew;
  /// The last.
  std::function<void(answer<turn_reply>)> done;
};

/// What is told of a conversation that is listened to.
struct listen_handlers {
  std::function<void(const session_event&)> event;
  /// No events will come.
  std::function<void(const failure&)> failed;
};

/// The memory of a user. The tenant is the node's to say.
inline owner_key user(std::string name) {
  return {{}, std::move(name)};
}

/// A frontend. All functions may be called from any thread. Handlers run on the client's own
/// thread, one after another, and must not block; a call that there is no room for is refused
/// before the function returns.
///
/// When the node is lost, calls that can be made again are made again at another: turns, recall,
/// lists, and remember. So that nothing is done twice, a turn without an idempotency key gets one,
/// and so does a memory without an id. A stream goes on where it was cut, if anybody knows it.
/// `forget` and `remove` that were under way fail with `ec::unavailable`.
class client {
public:
  template <class T>
  using done = std::function<void(answer<T>)>;

  /// Reads the files and starts to connect. Fails with `ec::invalid` for files that do not serve.
  static answer<std::unique_ptr<client>> open(client_options with);

  /// What is under way fails with `ec::cancelled` and runs no further on the node, but for turns
  /// that are being remembered. Not to be called in a handler.
  ~client();

  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Returns the number of the turn, for `cancel`.
  uint64_t say(turn_request turn, turn_handlers to, call_options with = {});
  /// The turn fails with `ec::cancelled`, unless it is over.
  void cancel(uint64_t turn);
  void recall(memory_query query, done<std::vector<recalled>> to, call_options with = {});
  void remember(memory_write write, done<memory_receipt> to, call_options with = {});
  void list(memory_page_query page, done<memory_page> to, call_options with = {});
  void remove(owner_key owner, std::string id, done<bool> to, call_options with = {});
  /// What a user said in groups goes too, and is counted with the rest.
  void forget(owner_key owner, done<forget_receipt> to, call_options with = {});

  /// Tells what happens in a conversation (empty: the user's own) until `unlisten`; returns the
  /// number for that. `kinds`: of `event_bit`.
  uint64_t listen(owner_key owner, std::string conversation, listen_handlers to,
                  uint8_t kinds = all_events);
  void unlisten(uint64_t number);

  /// The same, waited for. Not to be called in a handler.
  answer<turn_reply> say(turn_request turn, std::function<void(const stream_piece&)> piece = {},
                         call_options with = {});
  answer<std::vector<recalled>> recall(memory_query query, call_options with = {});
  answer<memory_receipt> remember(memory_write write, call_options with = {});
  answer<memory_page> list(memory_page_query page, call_options with = {});
  answer<bool> remove(owner_key owner, std::string id, call_options with = {});
  answer<forget_receipt> forget(owner_key owner, call_options with = {});

  /// The address of the node it is linked to; empty: none now.
  std::string linked_to() const;

private:
  explicit client(std::unique_ptr<client_engine> with);

  std::unique_ptr<client_engine> engine_;
};

} // namespace sotto
