#include "runtime/reactor.hpp"

#include "runtime/prompt_thread.hpp"

namespace sotto {

reactor::reactor()
    : work_(io_.get_executor()), thread_([this] {
        make_thread_prompt();
        io_.run();
      }) {}

reactor::~reactor() {
  stop();
}

void reactor::stop() {
  work_.reset();
  io_.stop();
  if (thread_.joinable())
    thread_.join();
}

} // namespace sotto
