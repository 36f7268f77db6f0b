#include "runtime/child_process.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <csignal>
#include <cstring>
#include <deque>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sotto {

namespace {

namespace asio = boost::asio;
using error_code = boost::system::error_code;
using local = asio::local::stream_protocol;

constexpr auto look_again = std::chrono::milliseconds{5};
/// A process that closed its socket has so long to end by itself (looks).
constexpr int most_looks = 40;

std::array<char, 4> length_of(const std::string& frame) {
  auto n = static_cast<uint32_t>(frame.size());
  return {static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16),
          static_cast<char>(n >> 24)};
}

uint32_t length_from(const std::array<char, 4>& x) {
  uint32_t n = 0;
  for (size_t i = x.size(); i-- > 0;)
    n = n << 8 | static_cast<unsigned char>(x[i]);
  return n;
}

std::string describe_exit(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

class spawned final : public child_process, public std::enable_shared_from_this<spawned> {
public:
  spawned(asio::io_context& io, int fd, pid_t pid, child_events events)
      : io_(io), socket_(io, local{}, fd), timer_(io), pid_(pid), events_(std::move(events)) {}

  ~spawned() override {
    if (pid_ > 0) { // the reactor stopped first: nobody else will reap it
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  void start() { read_length(); }

  void send(std::string frame) override {
    asio::post(io_, [self = shared_from_this(), frame = std::move(frame)]() mutable {
      self->unsent_.push_back(std::move(frame));
      if (self->unsent_.size() == 1)
        self->write();
    });
  }

  void kill() override {
    asio::post(io_, [self = shared_from_this()] {
      if (self->pid_ > 0)
        ::kill(self->pid_, SIGKILL);
    });
  }

private:
  void read_length() {
    asio::async_read(socket_, asio::buffer(length_),
                     [self = shared_from_this()](error_code ec, size_t) {
                       auto size = length_from(self->length_);
                       if (ec || size > largest_frame)
                         return self->gone();
                       self->frame_.resize(size);
                       self->read_frame();
                     });
  }

  void read_frame() {
    asio::async_read(socket_, asio::buffer(frame_),
                     [self = shared_from_this()](error_code ec, size_t) {
                       if (ec)
                         return self->gone();
                       self->events_.on_frame(std::exchange(self->frame_, {}));
                       self->read_length();
                     });
  }

  void write() {
    head_ = length_of(unsent_.front());
    std::array<asio::const_buffer, 2> both{asio::buffer(head_), asio::buffer(unsent_.front())};
    asio::async_write(socket_, both, [self = shared_from_this()](error_code ec, size_t) {
      if (ec)
        return; // the reading side sees it too
      self->unsent_.pop_front();
      if (!self->unsent_.empty())
        self->write();
    });
  }

  void gone() {
    error_code ignored;
    socket_.close(ignored);
    reap();
  }

  // A process that is ending takes a moment; waiting for it here would hold up every socket.
  void reap() {
    int status = 0;
    if (++looks_ > most_looks)
      ::kill(pid_, SIGKILL);
    if (waitpid(pid_, &status, WNOHANG) != 0) {
      pid_ = 0;
      auto events = std::exchange(events_, {});
      return events.on_exit(describe_exit(status));
    }
    timer_.expires_after(look_again);
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec)
        self->reap();
    });
  }

  asio::io_context& io_;
  local::socket socket_;
  asio::steady_timer timer_;
  pid_t pid_;
  child_events events_;
  std::array<char, 4> length_{}, head_{};
  std::string frame_;
  std::deque<std::string> unsent_;
  int looks_ = 0;
};

/// Starts the program with `theirs` as descriptor 3, and without the node's blocked signals.
int spawn(const std::vector<std::string>& arguments, int theirs, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&how);
  posix_spawn_file_actions_adddup2(&files, theirs, child_descriptor);
  // Sockets of Asio pass to children: a connection that the node closes would stay open in them.
  posix_spawn_file_actions_addclosefrom_np(&files, child_descriptor + 1);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> raw;
  raw.reserve(arguments.size() + 1);
  for (auto& x : arguments)
    raw.push_back(const_cast<char*>(x.c_str()));
  raw.push_back(nullptr);
  auto code = posix_spawn(&pid, raw[0], &files, &how, raw.data(), environ);
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return code;
}

bool read_all(char* to, size_t size) {
  while (size > 0) {
    auto n = ::read(child_descriptor, to, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    to += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool write_all(const char* from, size_t size) {
  while (size > 0) {
    auto n = ::send(child_descriptor, from, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    from += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

} // namespace

caf::expected<std::shared_ptr<child_process>>
start_child(reactor& io, const std::vector<std::string>& arguments, child_events events) {
  std::array<int, 2> ends{};
  auto failed = [&](int code) {
    return to_error({ec::unavailable,
                     fmt::format("{} cannot be started: {}", arguments.front(), strerror(code)),
                     {}});
  };
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return failed(errno);
  pid_t pid = 0;
  auto code = spawn(arguments, ends[1], pid);
  ::close(ends[1]);
  if (code != 0) {
    ::close(ends[0]);
    return failed(code);
  }
  auto child = std::make_shared<spawned>(io.io(), ends[0], pid, std::move(events));
  asio::post(io.io(), [child] { child->start(); });
  return std::shared_ptr<child_process>{std::move(child)};
}

int run_child(const std::function<std::string(std::string_view)>& answer) {
  // A terminal sends these to the whole group; the parent decides when its child ends.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  std::array<char, 4> length{};
  std::string frame;
  while (read_all(length.data(), length.size())) {
    auto size = length_from(length);
    if (size > largest_frame)
      return 1;
    frame.resize(size);
    if (!read_all(frame.data(), size))
      return 1;
    auto reply = answer(frame);
    length = length_of(reply);
    if (!write_all(length.data(), length.size()) || !write_all(reply.data(), reply.size()))
      return 0;
  }
  return 0;
}

} // namespace sotto
