#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sotto {

/// What a node answered, or why it did not.
struct node_answer {
  /// Not empty: no whole answer came; for people.
  std::string problem;
  unsigned status = 0;
  std::string body;

  bool ok() const { return problem.empty() && status >= 200 && status < 300; }
};

/// Text with everything but letters, figures and `-._~` percent-encoded (RFC 3986).
std::string percent_encoded(std::string_view text);

/// Calls a running node and waits for its answers; for tools. Each call has a connection of its
/// own.
class node_client {
public:
  /// `url`: http:// or https://HOST[:PORT][/PREFIX], checked by the caller. `key` is shown to the
  /// node, `ca_file` (PEM) is trusted besides the system's authorities; both may be empty.
  explicit node_client(const std::string& url, std::string key = {}, std::string ca_file = {});

  /// Further header fields: name, value.
  using headers = std::vector<std::pair<std::string, std::string>>;
  using piece_handler = std::function<void(std::string_view)>;

  /// Sends a request; `body` is JSON or empty. `piece` (may be empty) gets the body of a
  /// successful answer as it comes, instead of `node_answer::body`. Fails after three minutes
  /// without a byte, and with answers over 64 MiB.
  node_answer call(const std::string& method, const std::string& target, const std::string& body,
                   const headers& more = {}, const piece_handler& piece = {}) const;

private:
  std::string url_;
  std::string key_;
  std::string ca_file_;
  bool tls_ = false;
  std::string host_;
  std::string port_;
  std::string prefix_;
};

/// For people, from an answer that is not ok: the message of its error object where it has one.
std::string explain(const node_answer& answer);

} // namespace sotto
