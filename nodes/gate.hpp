#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/ip/address.hpp>

#include "nodes/access.hpp"
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

/// What all sockets of a server share. Outlives them.
struct gate {
  const gateway_options& limits;
  const edge_options& edge;
  const access& door;
  wall_clock wall;
  socket_owner owner;
  /// Turns requests away while the node is overloaded; may be null.
  std::shared_ptr<refusal_gate> overload;
  std::shared_ptr<socket_counts> counts = std::make_shared<socket_counts>();
  /// Those that have not said anything yet, and those that have been answered.
  idle_sockets silent{}, answered{};
};

} // namespace sotto
