#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "config/edge_options.hpp"
#include "nodes/api_keys.hpp"
#include "nodes/caller.hpp"
#include "nodes/origins.hpp"

namespace sotto {

/// What the head of a request says about who sends it. Texts are empty where missing.
struct visitor {
  http_verb verb = http_verb::get;
  /// As sent, without the query.
  std::string_view path;
  std::string_view authorization;
  /// The tenant to act for, where it is not the key's own.
  std::string_view tenant;
  std::string_view host;
  std::string_view origin;
  /// Access-Control-Request-Method.
  std::string_view wanted_method;
  bool websocket = false;
  /// Sec-WebSocket-Protocol.
  std::string_view protocols;
};

/// May they come in?
struct access_verdict {
  /// They may not, or there is nothing more to do: the answer.
  std::optional<http_answer> answer;
  caller who;
  /// What every answer to this request bears.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Whether an address to listen on is reached from this machine alone.
bool is_loopback(const std::string& listen);

/// The door of the gateway: who calls, and what they may. Any thread may ask; asking takes no lock
/// but that of a pointer.
///
/// Without keys in the file it is open, for a node on loopback or with `gateway.open`. A page in
/// somebody's browser is kept out then, unless it is the node's own or of a listed origin: it
/// reaches loopback like any program, and WebSockets know no rule of same origin.
class access {
public:
  /// `options` must outlive it.
  access(const edge_options& options, const std::string& listen, prometheus::Registry& metrics);

  /// From now on what is for frontends is not served, only what operators need: health, metrics and
  /// the administrator's calls. To be called before others ask.
  void serve_operators_only() { operators_only_ = true; }

  /// Reads the keys at start. Fails for a file that is damaged, and where nobody would be asked for
  /// a key though others than this machine can connect.
  failure open();

  /// Reads them again. A file that is damaged or gone changes nothing, and is told.
  void reload();

  /// `now`: microseconds since 1970; `nanos`: of the monotonic clock.
  access_verdict check(const visitor& who, int64_t now, int64_t nanos) const;

  /// Whether the caller of an open socket may stay.
  bool holds(const caller& who, int64_t now) const;

  /// Whether any may have to go since this was last asked.
  bool changed(int64_t now);

  bool asks_for_keys() const { return table()->asks; }

private:
  struct entry {
    api_key what;
    key_hash hash;
    std::shared_ptr<rate_bucket> rate;
  };
  struct key_table {
    bool asks = false;
    std::unordered_map<std::string, entry> keys;
    /// When keys expire, in order.
    std::vector<int64_t> ends;
  };

  std::shared_ptr<const key_table> table() const;
  std::shared_ptr<const key_table> make_table(std::vector<api_key> keys) const;
  void install(std::shared_ptr<const key_table> fresh);
  enum class reason : uint8_t { key, rate, origin, scope };
  http_answer refuse(reason why, http_answer answer) const;
  std::optional<http_answer> screen(const visitor& who, const key_table& keys) const;
  std::optional<http_answer> identify(const visitor& who, const key_table& keys, int64_t now,
                                      caller& to) const;
  std::optional<http_answer> limit(const caller& who, int64_t nanos, access_verdict& to) const;

  const edge_options& options_;
  std::string listen_;
  origins origins_;
  bool operators_only_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const key_table> table_;
  std::atomic<bool> fresh_{false};
  /// Of whoever asks `changed`.
  int64_t looked_ = 0;
  std::array<prometheus::Counter*, 4> refused_{};
};

/// What a rate limit adds to the headers of an answer.
void mark_rate(const rate_verdict& x, std::vector<std::pair<std::string, std::string>>& headers);

} // namespace sotto
