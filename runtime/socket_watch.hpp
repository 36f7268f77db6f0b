#pragma once

#include <functional>
#include <memory>

#include "runtime/reactor.hpp"

namespace sotto {

/// Says when something arrives on a socket that another thread reads, without a thread of its own:
/// between `pause` and the next `arm` nothing is said, so that what the reader itself has asked for
/// does not count. Must not outlive the reactor.
class socket_watch {
public:
  explicit socket_watch(reactor& on);
  ~socket_watch();
  socket_watch(const socket_watch&) = delete;
  socket_watch& operator=(const socket_watch&) = delete;

  /// Called on the reactor's thread, once for each `arm`; empty: nobody listens. When this returns,
  /// the one before is not called any more.
  void on_arrival(std::function<void()> told);

  /// Calls the function at once, on this thread.
  void tell();

  /// The reader is about to read.
  void pause();

  /// The reader has read everything that is there. The socket (-1: none) may be closed afterwards.
  void arm(int socket);

private:
  struct shared;
  std::shared_ptr<shared> shared_;
};

} // namespace sotto
