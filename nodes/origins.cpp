#include "nodes/origins.hpp"

#include <algorithm>
#include <cctype>

namespace sotto {

namespace {

constexpr auto methods = "GET, POST, DELETE, OPTIONS";
constexpr auto request_headers =
    "Authorization, Content-Type, Idempotency-Key, Sotto-User, Sotto-Group, Sotto-Conversation, "
    "Sotto-Priority, "
    "Sotto-Tenant, traceparent, x-stainless-arch, x-stainless-lang, x-stainless-os, "
    "x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
    "x-stainless-runtime-version, x-stainless-timeout";
constexpr auto answer_headers =
    "Sotto-Trace, Sotto-Priority, x-request-id, Retry-After, retry-after-ms, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests";

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

} // namespace

bool origins::lists(std::string_view origin) const {
  return std::find(listed_.begin(), listed_.end(), origin) != listed_.end();
}

void origins::mark(std::string_view origin,
                   std::vector<std::pair<std::string, std::string>>& headers) const {
  if (listed_.empty())
    return;
  headers.emplace_back("Vary", "Origin"); // also where it is not allowed: caches tell them apart
  if (origin.empty() || !lists(origin))
    return;
  headers.emplace_back("Access-Control-Allow-Origin", origin);
  headers.emplace_back("Access-Control-Expose-Headers", answer_headers);
}

http_answer origins::preflight() {
  http_answer x;
  x.status = 204;
  x.content_type.clear();
  x.headers = {{"Access-Control-Allow-Methods", methods},
               {"Access-Control-Allow-Headers", request_headers},
               {"Access-Control-Max-Age", "600"}};
  return x;
}

bool same_origin(std::string_view origin, std::string_view host) {
  auto mark = origin.find("://");
  return mark != std::string_view::npos && !host.empty()
         && same_letters(origin.substr(mark + 3), host);
}

bool private_host(std::string_view host) {
  if (host.starts_with('['))
    return true; // an IPv6 address
  auto name = host.substr(0, host.find(':'));
  if (name.find('.') == std::string_view::npos)
    return true;
  constexpr std::string_view local = ".localhost";
  if (name.size() > local.size() && same_letters(name.substr(name.size() - local.size()), local))
    return true;
  // No domain ends in a number (the URL standard reads such a host as an address).
  auto last = name.substr(name.rfind('.') + 1);
  return !last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos;
}

} // namespace sotto
