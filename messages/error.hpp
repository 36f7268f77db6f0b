#pragma once

#include <string>
#include <string_view>

#include <caf/error.hpp>
#include <caf/meta/type_name.hpp>

namespace sotto {

/// Why something was refused or failed. The comment is what the caller is told to do about it.
enum class ec : uint8_t {
  none = 0,
  /// The request is wrong; it will fail again unchanged.
  invalid = 1,
  /// What was named does not exist.
  not_found,
  /// A queue is full; try again after a while.
  overloaded,
  /// The deadline passed before the work was done; the outcome may be unknown.
  timeout,
  /// The node is starting or draining; try another or again.
  unavailable,
  /// The provider of the language model failed.
  upstream_failed,
  /// Data could not be read or written; nothing was acknowledged.
  storage_failed,
  /// The caller gave up.
  cancelled,
  /// The request is larger than the limit.
  too_large,
  /// A bug of ours.
  internal,
};

std::string_view to_string(ec code);

/// A failure as it is told to a client: what was wrong, and which part of the request (may be
/// empty).
struct failure {
  ec code = ec::none;
  std::string message;
  std::string param;
  /// Seconds after which another try may help; 0 where the node cannot say.
  uint32_t retry_after = 0;

  explicit operator bool() const { return code != ec::none; }
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, failure& x) {
  return f(caf::meta::type_name("failure"), x.code, x.message, x.param, x.retry_after);
}

/// HTTP status and OpenAI error type of a failure (platform.openai.com, "Error codes").
struct http_class {
  unsigned status;
  std::string_view type;
};
http_class classify(ec code);

/// A failure inside a CAF error, and back. An error that is not ours becomes `internal`,
/// CAF's request timeouts become `timeout`.
caf::error to_error(const failure& what);
failure to_failure(const caf::error& err);

} // namespace sotto
