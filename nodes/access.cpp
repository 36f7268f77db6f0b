#include "nodes/access.hpp"

#include <array>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "config/rules.hpp"
#include "messages/frontend.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

constexpr int64_t nanos_per_second = 1'000'000'000, nanos_per_ms = 1'000'000;

/// What anybody may ask: whether the node lives, and the page that then asks for a key.
constexpr std::array<std::string_view, 6> public_paths{"/livez",  "/readyz", "/health",
                                                       "/status", "/ready",  "/"};

bool is_public(const visitor& who) {
  return (who.verb == http_verb::get || who.verb == http_verb::head)
         && std::find(public_paths.begin(), public_paths.end(), who.path) != public_paths.end();
}

bool needs_admin(std::string_view path) {
  return path == "/metrics" || path == "/v1/traces" || path == "/v1/admin"
         || path.starts_with("/v1/admin/");
}

/// What a node that is no gateway has to tell of itself, to whoever may know it.
bool tells_of_node(std::string_view path) {
  return needs_admin(path) || path.starts_with("/v1/traces/");
}

http_answer error_of(unsigned status, std::string_view type, std::string_view code,
                     std::string_view message, std::string_view param = {}) {
  http_answer x;
  x.status = status;
  x.body = dump({{"error",
                  {{"message", message},
                   {"type", type},
                   {"code", code},
                   {"param", param.empty() ? nlohmann::json{} : nlohmann::json(param)}}}});
  return x;
}

http_answer forbidden(std::string_view code, std::string_view message,
                      std::string_view param = {}) {
  return error_of(403, "permission_error", code, message, param);
}

http_answer no_gateway() {
  return error_of(
      404, "invalid_request_error", "not_a_gateway",
      "this node serves no frontends: cluster.roles has no gateway; ask a node that has "
      "the role");
}

http_answer unauthorised(std::string_view message, bool given) {
  auto x = error_of(401, "invalid_request_error", "invalid_api_key", message);
  x.headers.emplace_back("WWW-Authenticate", given
                                                 ? "Bearer realm=\"sotto\", error=\"invalid_token\""
                                                 : "Bearer realm=\"sotto\"");
  return x;
}

std::string_view trimmed(std::string_view x) {
  while (!x.empty() && (x.front() == ' ' || x.front() == '\t'))
    x.remove_prefix(1);
  while (!x.empty() && (x.back() == ' ' || x.back() == '\t'))
    x.remove_suffix(1);
  return x;
}

/// The key of an Authorization header (RFC 6750), or of a WebSocket's subprotocols: a page cannot
/// give a WebSocket headers.
std::string_view key_of(const visitor& who) {
  constexpr std::string_view scheme = "bearer ", protocol = "sotto.key.";
  auto text = who.authorization;
  if (text.size() > scheme.size()
      && std::equal(scheme.begin(), scheme.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         }))
    return trimmed(text.substr(scheme.size()));
  if (!who.websocket || !text.empty())
    return text;
  for (auto rest = who.protocols; !rest.empty();) {
    auto item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    item = trimmed(item);
    if (item.starts_with(protocol))
      return item.substr(protocol.size());
  }
  return {};
}

/// As OpenAI writes times in its rate limit headers: 1m30s, 2.5s, 120ms.
std::string short_time(int64_t nanos) {
  auto ms = (nanos + nanos_per_ms - 1) / nanos_per_ms;
  if (ms < 1000)
    return fmt::format("{}ms", ms);
  if (ms < 60'000)
    return fmt::format("{:g}s", static_cast<double>(ms) / 1000);
  return fmt::format("{}m{}s", ms / 60'000, ms % 60'000 / 1000);
}

} // namespace

bool is_loopback(const std::string& listen) {
  auto host = listen.substr(0, listen.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  if (host == "localhost")
    return true;
  boost::system::error_code ec;
  auto address = boost::asio::ip::make_address(host, ec);
  if (ec)
    return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  return address.is_loopback();
}

void mark_rate(const rate_verdict& x, std::vector<std::pair<std::string, std::string>>& headers) {
  headers.emplace_back("x-ratelimit-limit-requests", std::to_string(x.limit));
  headers.emplace_back("x-ratelimit-remaining-requests", std::to_string(x.remaining));
  headers.emplace_back("x-ratelimit-reset-requests", short_time(x.reset));
}

access::access(const edge_options& options, const std::string& listen,
               prometheus::Registry& metrics)
    : options_(options), listen_(listen), origins_(options.cors_origins),
      table_(std::make_shared<key_table>()) {
  constexpr std::array<const char*, 4> reasons{"key", "rate", "origin", "scope"};
  auto& family = prometheus::BuildCounter()
                     .Name("sotto_access_refused_total")
                     .Help("Requests refused at the door, by reason")
                     .Register(metrics);
  for (size_t i = 0; i < reasons.size(); ++i)
    refused_[i] = &family.Add({{"reason", reasons[i]}});
}

failure access::open() {
  auto keys = read_keys(options_.keys_file);
  auto missing = !keys && to_failure(keys.error()).code == ec::not_found;
  if (!keys && !missing)
    return to_failure(keys.error());
  install(make_table(missing ? std::vector<api_key>{} : std::move(*keys)));
  if (asks_for_keys() || options_.open || is_loopback(listen_))
    return {};
  return {
      ec::invalid,
      fmt::format("gateway.listen is {}, which others can reach, and {} has no API key: make one "
                  "with \"sotto keys create --tenant NAME --keys {}\", or set gateway.open = "
                  "true to serve everybody",
                  listen_, options_.keys_file, options_.keys_file),
      "gateway.keys"};
}

void access::reload() {
  auto keys = read_keys(options_.keys_file);
  // A key is never taken away by what went wrong with the file: that is what `revoke` is for.
  if (!keys || (keys->empty() && asks_for_keys())) {
    auto why = keys ? failure{} : to_failure(keys.error());
    if (asks_for_keys() || why.code != ec::not_found)
      spdlog::error("the API keys stay as they were: {}",
                    keys ? options_.keys_file + " has no key any more" : why.message);
    return;
  }
  spdlog::info("read {} API keys from {}", keys->size(), options_.keys_file);
  install(make_table(std::move(*keys)));
}

std::shared_ptr<const access::key_table> access::table() const {
  std::lock_guard guard{mutex_};
  return table_;
}

void access::install(std::shared_ptr<const key_table> fresh) {
  {
    std::lock_guard guard{mutex_};
    table_ = std::move(fresh);
  }
  fresh_ = true;
}

std::shared_ptr<const access::key_table> access::make_table(std::vector<api_key> keys) const {
  auto before = table();
  auto made = std::make_shared<key_table>();
  made->asks = !keys.empty();
  for (auto& x : keys) {
    entry e{std::move(x), {}, nullptr};
    e.hash = hash_from(e.what.hash).value_or(key_hash{});
    // What was taken from a bucket stays taken.
    auto old = before->keys.find(e.what.id);
    if (old != before->keys.end() && old->second.what.rate == e.what.rate
        && old->second.what.burst == e.what.burst)
      e.rate = old->second.rate;
    else if (e.what.rate > 0)
      e.rate = std::make_shared<rate_bucket>(e.what.rate, e.what.burst);
    if (e.what.expires != 0)
      made->ends.push_back(e.what.expires);
    made->keys.emplace(e.what.id, std::move(e));
  }
  std::sort(made->ends.begin(), made->ends.end());
  return made;
}

bool access::changed(int64_t now) {
  auto keys = table();
  auto next = std::upper_bound(keys->ends.begin(), keys->ends.end(), looked_);
  auto expired = next != keys->ends.end() && *next <= now;
  looked_ = now;
  return fresh_.exchange(false) || expired;
}

bool access::holds(const caller& who, int64_t now) const {
  auto keys = table();
  if (!keys->asks)
    return true;
  auto at = keys->keys.find(who.key);
  if (at == keys->keys.end())
    return false;
  auto& x = at->second.what;
  return x.revoked == 0 && (x.expires == 0 || now < x.expires);
}

http_answer access::refuse(reason why, http_answer answer) const {
  refused_[static_cast<size_t>(why)]->Increment();
  return answer;
}

access_verdict access::check(const visitor& who, int64_t now, int64_t nanos) const {
  access_verdict out;
  auto keys = table();
  origins_.mark(who.origin, out.headers);
  if ((out.answer = screen(who, *keys)))
    return out;
  if (is_public(who))
    return out;
  if (who.verb == http_verb::options && !who.origin.empty() && !who.wanted_method.empty()) {
    out.answer =
        origins_.lists(who.origin)
            ? origins::preflight()
            : refuse(reason::origin,
                     forbidden("origin_not_allowed",
                               "gateway.cors_origins does not have this origin", "Origin"));
    return out;
  }
  if ((out.answer = identify(who, *keys, now, out.who)))
    return out;
  if (operators_only_ && !tells_of_node(who.path)) {
    out.answer = no_gateway();
    return out;
  }
  out.answer = limit(out.who, nanos, out);
  return out;
}

std::optional<http_answer> access::screen(const visitor& who, const key_table& keys) const {
  if (keys.asks)
    return std::nullopt;
  if (!options_.open && !who.host.empty() && !private_host(who.host))
    return refuse(reason::origin,
                  forbidden("host_not_allowed",
                            "a node without API keys answers under localhost or its address alone; "
                            "make a key, or set gateway.open = true",
                            "Host"));
  if (!who.origin.empty() && !same_origin(who.origin, who.host) && !origins_.lists(who.origin))
    return refuse(reason::origin, forbidden("origin_not_allowed",
                                            "pages of this origin may not call the node; "
                                            "gateway.cors_origins lists those that may",
                                            "Origin"));
  return std::nullopt;
}

std::optional<http_answer> access::identify(const visitor& who, const key_table& keys, int64_t now,
                                            caller& to) const {
  to.admin = !keys.asks;
  if (keys.asks) {
    auto text = key_of(who);
    if (text.empty())
      return refuse(reason::key,
                    unauthorised("an API key is required: send 'Authorization: Bearer KEY'; "
                                 "\"sotto keys create\" makes one",
                                 false));
    auto parts = split_key(text);
    auto at = parts ? keys.keys.find(std::string{parts->id}) : keys.keys.end();
    // A key that is not there takes as long as one that is wrong.
    auto hash = hash_of(parts ? parts->secret : text);
    if (!same_hash(hash, at == keys.keys.end() ? key_hash{} : at->second.hash)
        || at == keys.keys.end())
      return refuse(reason::key, unauthorised("this API key is not valid", true));
    auto& x = at->second.what;
    if (x.revoked != 0)
      return refuse(reason::key, unauthorised("this API key was revoked", true));
    if (x.expires != 0 && now >= x.expires)
      return refuse(reason::key, unauthorised("this API key has expired", true));
    to = {x.tenant, x.id, x.ceiling, x.admin, at->second.rate};
  }
  if (!to.admin && needs_admin(who.path))
    return refuse(reason::scope, forbidden("admin_key_required", "this takes an admin key"));
  if (who.tenant.empty() || who.tenant == to.tenant)
    return std::nullopt;
  if (!to.admin)
    return refuse(reason::scope,
                  forbidden("admin_key_required", "acting for another tenant takes an admin key",
                            "Sotto-Tenant"));
  if (!rule::is_name(who.tenant))
    return error_answer(
        {ec::invalid, "'Sotto-Tenant' must be a name of at most 100 bytes", "Sotto-Tenant"});
  to.tenant = who.tenant;
  return std::nullopt;
}

std::optional<http_answer> access::limit(const caller& who, int64_t nanos,
                                         access_verdict& to) const {
  if (!who.rate)
    return std::nullopt;
  auto x = who.rate->take(nanos);
  mark_rate(x, to.headers);
  if (x.allowed)
    return std::nullopt;
  auto answer = error_of(
      429, "rate_limit_error", "rate_limit_exceeded",
      fmt::format("the rate limit of this API key is passed; again in {}", short_time(x.wait)));
  answer.headers.emplace_back("Retry-After",
                              std::to_string((x.wait + nanos_per_second - 1) / nanos_per_second));
  answer.headers.emplace_back("retry-after-ms",
                              std::to_string((x.wait + nanos_per_ms - 1) / nanos_per_ms));
  return refuse(reason::rate, std::move(answer));
}

} // namespace sotto
