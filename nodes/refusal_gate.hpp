#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <deque>
#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/admission_options.hpp"
#include "messages/context.hpp"
#include "runtime/node_load.hpp"

namespace sotto {

/// Turns requests away at the socket while the node is overloaded: one look at `node_load` when the
/// head of a request is read, no message, no parsing. Belongs to the reactor's thread.
///
/// A refusal is told at once only to a connection that was not refused just before, and only to so
/// many in a second; all others wait for `hold`, during which nothing is read from them. So a
/// client that asks again at once is slowed down to what its connections allow, and what remains of
/// the cores serves turns. A client that comes on a new connection each time gets no further: what
/// is held gives way to connections for which there would be no room.
class refusal_gate : public std::enable_shared_from_this<refusal_gate> {
public:
  /// `refused` is told of every refusal.
  refusal_gate(boost::asio::io_context& io, std::shared_ptr<node_load> load, caf::timespan hold,
               std::function<void(priority)> refused)
      : load_(std::move(load)), hold_(hold.count()), refused_(std::move(refused)), timer_(io) {}

  /// Whether a turn of this level and tenant is refused now.
  bool refuses(priority level, uint64_t tenant) const { return load_->refuses(level, tenant); }

  /// Counts a refusal, and calls `answer` at once or when it was held long enough; or `drop`, where
  /// its place is needed before. `again`: the connection's request before was refused too.
  void refuse(priority level, bool again, std::function<void()> answer, std::function<void()> drop);

  /// Makes room: the refusal that was held longest is not answered. False where none is held.
  bool drop_oldest();

  uint32_t retry_after() const { return load_->retry_after.load(std::memory_order_relaxed); }

  /// Refusals that are held.
  size_t held() const { return held_.size(); }

private:
  bool may_answer_now();
  void arm();
  void release();

  struct held_answer {
    int64_t due;
    std::function<void()> answer;
    std::function<void()> drop;
  };

  std::shared_ptr<node_load> load_;
  int64_t hold_;
  std::function<void(priority)> refused_;
  boost::asio::steady_timer timer_;
  /// In order of time: all are held for equally long.
  std::deque<held_answer> held_;
  int64_t window_ = 0;
  uint32_t told_ = 0;
};

} // namespace sotto
