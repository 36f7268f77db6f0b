#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/ip/address.hpp>

#include "nodes/access.hpp"
#include "nodes/body_room.hpp"
#include "nodes/http_session.hpp"
#include "nodes/refusal_gate.hpp"
#include "runtime/clock.hpp"

namespace sotto {

class http_session;

/// Sockets that are open, all and by address. Any thread may use it.
class socket_counts : public std::enable_shared_from_this<socket_counts> {
public:
  std::atomic<size_t> open{0};

  /// Counts a socket until the last copy of what this returns is gone. Null where `most` (0: any
  /// number) are open from this address; an IPv6 address is its /64, which one host can have whole.
  std::shared_ptr<void> take(const boost::asio::ip::address& from, size_t most);

private:
  void release(const std::string& address);

  std::mutex mutex_;
  std::unordered_map<std::string, size_t> by_address_;
};

/// Sockets without a request under way, who has been so longest in front. The reactor's thread.
using idle_sockets = std::list<http_session*>;

/// A request that is answered at the socket.
struct refused_request {
  std::string_view traceparent;
  priority level = priority::normal;
  uint64_t tenant = 0;
};

inline size_t most_of_bodies(const gateway_options& x) {
  return std::max<size_t>(16 * x.max_body, 64 << 20);
}

/// What all sockets of a server share. Outlives them.
struct gate {
  const gateway_options& limits;
  const edge_options& edge;
  const access& door;
  wall_clock wall;
  socket_owner owner;
  /// Turns requests away while the node is overloaded; may be null.
  std::shared_ptr<refusal_gate> overload;
  /// Begins a flow for a request that no CONNECTION sees, and notes why (a string literal); returns
  /// its trace id. None: such answers bear none.
  std::function<std::string(const refused_request&, const char* why)> trace{};
  std::shared_ptr<socket_counts> counts = std::make_shared<socket_counts>();
  /// Those that have not said anything yet, and those that have been answered.
  idle_sockets silent{}, answered{};
  /// For sixteen of the largest bodies, or 64 MiB: for what clients send, and for what they have
  /// not read yet.
  std::shared_ptr<body_room> bodies = std::make_shared<body_room>(most_of_bodies(limits));
  std::shared_ptr<body_room> answers = std::make_shared<body_room>(most_of_bodies(limits));
};

} // namespace sotto
