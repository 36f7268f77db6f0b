// FRONTEND: who it is, and for whom it acts. The node decides: by the API key where it has keys,
// and by the certificate where it has none.
#include "nodes/native_connection.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sotto {

namespace {

/// What the door says to a request over HTTP, as one failure.
failure failure_of(const http_answer& x) {
  auto body = nlohmann::json::parse(x.body, nullptr, false);
  auto why = body.is_object() ? body.value("error", nlohmann::json::object()) : nlohmann::json{};
  auto text = why.is_object() ? why.value("message", std::string{}) : std::string{};
  return {x.status == 429 ? ec::overloaded : ec::invalid, text, x.status == 429 ? "" : "key",
          x.status == 429 ? 1U : 0U};
}

} // namespace

void native_connection_state::hello(const native_hello& x) {
  if (auto why = admit(x))
    return hang_up(why);
  auto& limits = parts_->to->with.limits;
  window_ = std::make_unique<call_window<call>>(
      call_window<call>::limits{limits.max_in_flight, limits.max_calls});
  native_welcome answer;
  answer.protocol = protocol_ = std::min(x.newest, newest_native_protocol);
  answer.node = parts_->node;
  answer.version = SOTTO_VERSION;
  answer.tenant = who_.tenant;
  answer.calls = static_cast<uint32_t>(limits.max_calls);
  answer.frame = static_cast<uint32_t>(limits.max_frame);
  answer.idle = limits.idle_timeout.count();
  channel_->let_in();
  tell(0, answer);
  tell_nodes();
  spdlog::debug("frontend {} is linked for tenant {}", holder_.name, who_.tenant);
  if (draining_)
    drain();
}

/// Others first begin elsewhere in the list.
void native_connection_state::tell_nodes() {
  if (!welcomed() || protocol_ < 2 || !parts_->places)
    return;
  native_nodes x{parts_->places->all()};
  if (x.addresses.empty())
    return;
  auto first = static_cast<std::ptrdiff_t>(self_->id() % x.addresses.size());
  std::rotate(x.addresses.begin(), x.addresses.begin() + first, x.addresses.end());
  tell(0, std::move(x));
}

failure native_connection_state::admit(const native_hello& x) {
  if (x.oldest > newest_native_protocol || x.newest < oldest_native_protocol)
    return {ec::invalid,
            fmt::format("the frontend speaks protocols {} to {}, this node (sotto " SOTTO_VERSION
                        ") {} to {}",
                        x.oldest, x.newest, oldest_native_protocol, newest_native_protocol),
            "protocol"};
  auto bearer = x.key.empty() ? std::string{} : "Bearer " + x.key;
  visitor who;
  who.path = "/v1/actors";
  who.authorization = bearer;
  who.tenant = parts_->door->asks_for_keys() ? std::string_view{x.tenant} : std::string_view{};
  auto verdict = parts_->door->check(who, self_->unix_micros(), self_->nanos());
  if (verdict.answer)
    return failure_of(*verdict.answer);
  who_ = std::move(verdict.who);
  return decide_tenant(x);
}

failure native_connection_state::decide_tenant(const native_hello& x) {
  if (!who_.key.empty()) {
    if (holder_.tenant.empty() || holder_.tenant == who_.tenant)
      return {};
    return {ec::invalid,
            fmt::format("the certificate is for tenant {}, the API key for {}", holder_.tenant,
                        who_.tenant),
            "key"};
  }
  who_.admin = false;
  if (!holder_.tenant.empty())
    who_.tenant = holder_.tenant;
  if (x.tenant.empty() || x.tenant == who_.tenant)
    return {};
  return {
      ec::invalid,
      fmt::format("this frontend acts for tenant {}; on a node without API keys its certificate "
                  "decides (sotto cluster certs --frontend NAME --tenant TENANT)",
                  who_.tenant),
      "tenant"};
}

} // namespace sotto
