#include "runtime/secure_links.hpp"

#include <charconv>
#include <memory>

#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/openssl/publish.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/clock.hpp"

namespace sotto {

namespace {

failure cannot_reach(const std::string& host, uint16_t port, std::string_view why) {
  return {ec::unavailable, fmt::format("cannot connect to {}:{}: {}", host, port, why), {}};
}

/// 0, or why a connection could not be made within the time that is left.
int try_address(const addrinfo& at, int64_t until) {
  auto socket =
      ::socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol);
  if (socket < 0)
    return errno;
  auto code = 0;
  if (::connect(socket, at.ai_addr, at.ai_addrlen) != 0)
    code = errno;
  if (code == EINPROGRESS) {
    pollfd x{socket, POLLOUT, 0};
    auto left = std::max<int64_t>((until - monotonic_nanos()) / 1'000'000, 1);
    socklen_t size = sizeof code;
    code = ETIMEDOUT;
    if (::poll(&x, 1, static_cast<int>(left)) > 0)
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size);
  }
  ::close(socket);
  return code;
}

/// Whether somebody listens there. CAF would wait for minutes where packets are lost.
failure probe(const std::string& host, uint16_t port, caf::timespan timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (auto code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    return cannot_reach(host, port, gai_strerror(code));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all{found, freeaddrinfo};
  auto until = monotonic_nanos() + timeout.count();
  auto code = ETIMEDOUT;
  for (auto* at = found; at && code != 0; at = at->ai_next)
    code = try_address(*at, until);
  if (code != 0)
    return cannot_reach(host, port, std::generic_category().message(code));
  return {};
}

/// CONNECTOR: asks CAF for the door of a node, tells the LINK and ends.
caf::behavior connector(caf::event_based_actor* self, link_actor to, std::string host,
                        uint16_t port, caf::timespan timeout) {
  auto tell = [self, to](failure why) {
    self->send<caf::message_priority::high>(to, context{}, atom::failed_v, std::move(why));
  };
  if (auto why = probe(host, port, timeout)) {
    tell(std::move(why));
    return {};
  }
  self->request(self->system().openssl_manager().actor_handle(), timeout, caf::connect_atom::value,
                host, port)
      .then(
          [=](const caf::node_id&, const caf::strong_actor_ptr& door,
              const std::set<std::string>& speaks) {
            if (!door
                || !self->system().assignable(speaks,
                                              self->system().message_types<link_door_actor>()))
              return tell(cannot_reach(host, port, "it is no node of Sotto of this kind"));
            self->send<caf::message_priority::high>(to, context{}, atom::connected_v,
                                                    caf::actor_cast<link_door_actor>(door));
          },
          [=](const caf::error& err) {
            tell(cannot_reach(host, port,
                              err == caf::sec::request_timeout
                                  ? "it does not answer"
                                  : "it is no node of this cluster, or our certificate is not of "
                                    "its authority"));
          });
  return {};
}

} // namespace

failure enable_links(caf::actor_system_config& config, const link_options& with) {
  if (auto why = check_link_files(with))
    return why;
  if (!clears_openssl_errors())
    return {
        ec::internal, "OpenSSL's error queue is not cleared; the program is linked wrongly", {}};
  config.load<caf::io::middleman>();
  config.load<caf::openssl::manager>();
  config.openssl_certificate = with.certificate;
  config.openssl_key = with.key;
  config.openssl_cafile = with.ca;
  config.set("middleman.heartbeat-interval", with.heartbeat);
  config.set("middleman.connection-timeout", with.timeout);
  config.set("middleman.attach-utility-actors", false);
  return {};
}

caf::expected<std::pair<std::string, uint16_t>> parse_link_address(const std::string& text) {
  auto colon = text.rfind(':');
  uint16_t port = 0;
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  auto wrong = colon == std::string::npos || host.empty() || colon + 1 == text.size();
  if (!wrong) {
    auto end = text.data() + text.size();
    auto [at, code] = std::from_chars(text.data() + colon + 1, end, port);
    wrong = at != end || code != std::errc{};
  }
  if (wrong)
    return to_error({ec::invalid, fmt::format("'{}' is no address such as 127.0.0.1:7800", text),
                     "cluster.listen"});
  return std::pair{std::move(host), port};
}

caf::expected<uint16_t> open_link_door(const link_door_actor& door, const link_options& with) {
  auto at = parse_link_address(with.listen);
  if (!at)
    return at.error();
  auto port = caf::openssl::publish(door, at->second, at->first.c_str(), true);
  if (port)
    return *port;
  return to_error({ec::unavailable,
                   fmt::format("cluster.listen: cannot listen on {}: {}", with.listen,
                               door->home_system().render(port.error())),
                   "cluster.listen"});
}

void dial_link(const link_actor& to, const std::string& host, uint16_t port,
               caf::timespan timeout) {
  to->home_system().spawn<caf::detached + caf::hidden>(connector, to, host, port, timeout);
}

} // namespace sotto
