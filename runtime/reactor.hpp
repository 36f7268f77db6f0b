#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <thread>

namespace sotto {

/// Runs all socket I/O of a node on one thread of its own. Handlers must not block; work for the
/// CPU belongs to actors. Actors reach it by `boost::asio::post(reactor.io(), ...)`.
class reactor {
public:
  reactor();

  /// Stops the loop and joins the thread; handlers not yet run are destroyed unrun.
  ~reactor();

  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  boost::asio::io_context& io() { return io_; }

  /// Stops the loop and joins its thread. Further calls do nothing.
  void stop();

private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

} // namespace sotto
