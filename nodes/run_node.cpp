#include <csignal>

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "nodes/cli.hpp"
#include "nodes/node.hpp"
#include "runtime/logging.hpp"

namespace sotto {

namespace {

/// A socket is a descriptor: as many as the system lets us have.
void raise_descriptor_limit(size_t wanted) {
  constexpr size_t for_files = 64;
  rlimit x{};
  if (getrlimit(RLIMIT_NOFILE, &x) != 0)
    return;
  x.rlim_cur = x.rlim_max;
  setrlimit(RLIMIT_NOFILE, &x);
  if (x.rlim_cur < wanted + for_files)
    spdlog::warn("node may have {} descriptors, fewer than gateway.max_connections needs; raise "
                 "`ulimit -Hn`",
                 x.rlim_cur);
}

} // namespace

int run_node(const options& with) {
  start_logging(with.log);
  raise_descriptor_limit(with.gateway.max_connections);
  // Blocked before any thread starts, so that only `sigwait` sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  auto started = node::start(with);
  if (!started) {
    spdlog::error("node cannot start: {}", to_failure(started.error()).message);
    return exit_failure;
  }
  spdlog::info("node serves {}://{}", with.edge.tls() ? "https" : "http", (*started)->address());
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("node drains; a second signal ends it at once");
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  auto all = (*started)->drain();
  if (!all)
    spdlog::warn("node stopped with turns unfinished: they ran longer than node.drain_timeout");
  spdlog::info("node stopped");
  return exit_ok;
}

} // namespace sotto
