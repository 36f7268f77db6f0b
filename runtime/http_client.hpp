#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <caf/timespan.hpp>

#include "messages/error.hpp"
#include "runtime/reactor.hpp"
#include "runtime/url.hpp"

namespace sotto {

/// The head of an answer.
struct http_head {
  unsigned status = 0;
  std::string content_type;
  /// Seconds from a Retry-After header; 0 where there is none or it is a date.
  uint32_t retry_after = 0;
};

/// One POST of JSON. `authorization` may be empty.
struct http_post {
  std::string path;
  std::string body;
  std::string authorization;
  caf::timespan connect_timeout = std::chrono::seconds{10};
  /// Longest wait for the head of the answer, and between two pieces of its body.
  caf::timespan header_timeout = std::chrono::seconds{60};
  caf::timespan idle_timeout = std::chrono::seconds{60};
};

/// What became of a post. All run on the reactor's thread and must not block; exactly one of
/// `on_end` and `on_error` is called, last, unless the post was cancelled.
struct http_events {
  std::function<void(const http_head&)> on_head;
  std::function<void(std::string_view)> on_piece;
  std::function<void()> on_end;
  std::function<void(const failure&)> on_error;
};

/// One kept-alive HTTP/1.1 connection to a server, plain or TLS (certificate and host name are
/// checked). One post at a time. Its functions may be called from any thread. A connection that
/// the server closed while it was idle is opened again once.
class http_link {
public:
  virtual ~http_link() = default;

  /// Starts a post; there must be none under way.
  virtual void post(http_post request, http_events events) = 0;

  /// Drops the post under way with its socket; none of its events follow once the reactor has seen
  /// this.
  virtual void cancel() = 0;
};

/// Makes a link; connects with the first post. `ca_file` (PEM) is trusted besides the system's
/// authorities; may be empty. Fails with `ec::invalid` if it cannot be read.
caf::expected<std::shared_ptr<http_link>> make_http_link(reactor& io, const url& server,
                                                         const std::string& ca_file);

} // namespace sotto
