#include "runtime/socket_watch.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <mutex>

#include <unistd.h>

namespace sotto {

namespace net = boost::asio;

struct socket_watch::shared : std::enable_shared_from_this<shared> {
  explicit shared(net::io_context& io) : descriptor(io) {}

  void tell() {
    std::lock_guard guard{mutex};
    if (told)
      told();
  }

  // On the reactor's thread; `copy` is ours.
  void wait(int copy, uint64_t turn) {
    boost::system::error_code ignored;
    descriptor.close(ignored);
    if (copy < 0)
      return;
    descriptor.assign(copy, ignored);
    descriptor.async_wait(net::posix::stream_descriptor::wait_read,
                          [self = shared_from_this(), turn](const boost::system::error_code& why) {
                            if (!why && self->turn == turn)
                              self->tell();
                          });
  }

  net::posix::stream_descriptor descriptor;
  /// Which `arm` counts.
  std::atomic<uint64_t> turn{0};
  std::mutex mutex;
  std::function<void()> told;
};

socket_watch::socket_watch(reactor& on) : shared_(std::make_shared<shared>(on.io())) {}

socket_watch::~socket_watch() {
  on_arrival({});
  arm(-1);
}

void socket_watch::on_arrival(std::function<void()> told) {
  std::lock_guard guard{shared_->mutex};
  shared_->told = std::move(told);
}

void socket_watch::tell() {
  shared_->tell();
}

void socket_watch::pause() {
  ++shared_->turn;
}

void socket_watch::arm(int socket) {
  auto turn = ++shared_->turn;
  auto copy = socket < 0 ? -1 : ::dup(socket);
  net::post(shared_->descriptor.get_executor(),
            [self = shared_, copy, turn] { self->wait(copy, turn); });
}

} // namespace sotto
