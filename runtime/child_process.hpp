#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/expected.hpp>

#include "messages/error.hpp"
#include "runtime/reactor.hpp"

namespace sotto {

/// What happens to a child. Both run on the reactor's thread; nothing follows `on_exit`.
struct child_events {
  std::function<void(std::string frame)> on_frame;
  /// The process has ended and is reaped; says how, for people.
  std::function<void(std::string how)> on_exit;
};

/// A child process of this program that speaks frames (four bytes of length, little endian, and the
/// content) over a socket pair, its descriptor 3. Nobody else can reach it: there is no port and no
/// file. It ends when its end of the socket is closed, thus also with its parent.
class child_process {
public:
  virtual ~child_process() = default;

  /// From any thread. What is sent to a process that has ended is lost.
  virtual void send(std::string frame) = 0;

  /// Ends the process at once; `on_exit` follows.
  virtual void kill() = 0;
};

/// The descriptor of the socket in the child, and the largest frame (bytes).
inline constexpr int child_descriptor = 3;
inline constexpr uint32_t largest_frame = 64 << 20;

/// Starts `arguments` (the first is the path of the program). Fails with `ec::unavailable`.
caf::expected<std::shared_ptr<child_process>>
start_child(reactor& io, const std::vector<std::string>& arguments, child_events events);

/// The child's side: answers every frame until the parent is gone. Returns the exit code.
int run_child(const std::function<std::string(std::string_view)>& answer);

} // namespace sotto
