#include "messages/error.hpp"

#include <caf/make_message.hpp>
#include <caf/sec.hpp>

#include <array>

namespace sotto {

namespace {

constexpr std::array<std::string_view, 11> names{
    "none",      "invalid",     "not_found",       "overloaded",
    "timeout",   "unavailable", "upstream_failed", "storage_failed",
    "cancelled", "too_large",   "internal"};

constexpr auto category = caf::atom("sotto");

} // namespace

std::string_view to_string(ec code) {
  auto index = static_cast<size_t>(code);
  return index < names.size() ? names[index] : "unknown";
}

http_class classify(ec code) {
  switch (code) {
  case ec::none:
    return {200, ""};
  case ec::invalid:
    return {400, "invalid_request_error"};
  case ec::not_found:
    return {404, "invalid_request_error"};
  case ec::overloaded:
    return {429, "rate_limit_error"};
  case ec::timeout:
    return {504, "timeout_error"};
  case ec::unavailable:
  case ec::storage_failed:
    return {503, "service_unavailable_error"};
  case ec::upstream_failed:
    return {502, "upstream_error"};
  case ec::cancelled:
    return {499, "cancelled_error"};
  case ec::too_large:
    return {413, "invalid_request_error"};
  case ec::internal:
    break;
  }
  return {500, "server_error"};
}

caf::error to_error(const failure& what) {
  return {static_cast<uint8_t>(what.code), category,
          caf::make_message(what.message, what.param, what.retry_after)};
}

failure to_failure(const caf::error& err) {
  if (!err)
    return {};
  if (err.category() == category) {
    failure result{static_cast<ec>(err.code()), {}, {}};
    if (err.context().match_elements<std::string, std::string, uint32_t>()) {
      result.message = err.context().get_as<std::string>(0);
      result.param = err.context().get_as<std::string>(1);
      result.retry_after = err.context().get_as<uint32_t>(2);
    }
    return result;
  }
  if (err == caf::sec::request_timeout)
    return {ec::timeout, "a part of the node did not answer in time", {}};
  return {ec::internal, "a part of the node stopped while it was needed", {}};
}

} // namespace sotto
