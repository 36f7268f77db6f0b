#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "config/options.hpp"
#include "messages/error.hpp"
#include "runtime/frontend_certificate.hpp"

namespace sotto {

/// The socket of a C++ frontend as FRONTEND sees it. All functions may be called from any thread;
/// what is sent after the socket closed is dropped.
class native_channel {
public:
  virtual ~native_channel() = default;

  /// Sends a frame, head included.
  virtual void frame(std::string bytes) = 0;

  /// Closes the socket when what was sent before is written.
  virtual void close() = 0;

  /// So many frames and bytes of them do not wait in FRONTEND any more: the socket is read no
  /// further while too much does.
  virtual void taken(size_t frames, size_t bytes) = 0;

  /// From now on silence is allowed for as long as between calls: until then the frontend has to
  /// say who it is.
  virtual void let_in() = 0;

  /// Bytes that wait for the frontend to read them.
  virtual size_t unsent() const = 0;
};

/// What the socket tells FRONTEND. Called on the reactor's thread; must not block.
struct native_events {
  /// A frame without its head.
  std::function<void(std::string)> frame;
  std::function<void()> closed;
  /// The node is ending: let the frontend go when its calls are answered.
  std::function<void()> drain;
  /// API keys have changed.
  std::function<void()> check;
  /// The nodes of the cluster have changed.
  std::function<void()> nodes;
};

/// What makes FRONTEND for a new socket.
using native_owner =
    std::function<native_events(std::shared_ptr<native_channel>, const frontend_holder&)>;

/// What all sockets of the port share. Outlives them.
struct native_gate {
  const gateway_options& limits;
  caf::timespan handshake_timeout;
  native_owner owner;
};

/// One socket of a C++ frontend: the handshake, then frames. Those to be sent are queued up to
/// `gateway.max_unsent` bytes, then the socket is closed: the frontend is too slow. Runs on the
/// reactor's thread but for the functions of `native_channel`.
class native_session final : public native_channel,
                             public std::enable_shared_from_this<native_session> {
public:
  using tls_context = std::shared_ptr<boost::asio::ssl::context>;
  using error_code = boost::system::error_code;

  /// `place` counts the socket while it is open.
  native_session(boost::asio::ip::tcp::socket socket, tls_context with,
                 std::shared_ptr<const native_gate> at, std::shared_ptr<void> place);

  void start();

  void frame(std::string bytes) override;
  void close() override;
  void taken(size_t frames, size_t bytes) override;
  void let_in() override;
  size_t unsent() const override { return unsent_bytes_; }

  /// Whether it has said who it is, and may stay.
  bool is_in() const { return let_in_; }

  void drain();
  void check();
  void tell_nodes();

  /// Closes the socket at once; FRONTEND is told.
  void finish();

private:
  void meet();
  void refuse(const failure& why);
  void read();
  void read_body(size_t size);
  void read_on();
  void resume();
  bool too_much_given() const;
  void write();
  void part();
  void wait(caf::timespan longest);

  /// Frames that may wait in FRONTEND's mailbox.
  static constexpr size_t most_given = 256;
  /// Of who has not said who it is.
  static constexpr size_t largest_hello = 16 << 10;

  tls_context context_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  boost::asio::steady_timer silence_;
  std::shared_ptr<const native_gate> gate_;
  std::shared_ptr<void> place_;
  native_events events_;
  std::array<char, 4> head_{};
  std::string body_, unsent_, sending_;
  std::atomic<size_t> unsent_bytes_{0}, given_{0}, given_bytes_{0};
  /// Reading stands still until FRONTEND has taken what it was given.
  std::atomic<bool> held_{false};
  std::atomic<bool> let_in_{false};
  /// This object while it is held: no read under way keeps it.
  std::shared_ptr<native_session> kept_;
  bool writing_ = false, last_ = false, closed_ = false;
};

} // namespace sotto
