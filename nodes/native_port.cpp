#include "nodes/native_port.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sotto {

failure native_port::prepare() {
  if (!on())
    return {};
  auto made = native_server::read_files(with_.native);
  if (!made)
    return to_failure(made.error());
  tls_ = std::move(*made);
  return {};
}

failure native_port::open(node_frame& in, std::shared_ptr<gateway_handles> to, const access& door) {
  if (!on())
    return {};
  auto parts = std::make_shared<native_parts>();
  parts->to = std::move(to);
  parts->door = &door;
  parts->node = with_.cluster.name;
  if (!with_.cluster.name.empty())
    parts->places = places_;
  auto& limits = parts->to->with.limits;
  auto gate = std::make_shared<native_gate>(native_gate{
      limits, with_.edge.tls_handshake_timeout, connect_frontends(*in.system, std::move(parts))});
  auto server = native_server::open(in.sockets, with_.native, std::move(gate), std::move(tls_));
  if (!server)
    return to_failure(server.error());
  server_ = std::move(*server);
  spdlog::info("node serves C++ frontends on {}", server_->address());
  return {};
}

watched_files native_port::files() {
  std::vector<std::filesystem::path> all;
  if (on())
    all = {with_.native.certificate, with_.native.key, with_.native.ca};
  return {std::move(all), [this] { reload(); }};
}

void native_port::reload() {
  auto made = native_server::read_files(with_.native);
  if (!made)
    return spdlog::error("the certificate for C++ frontends stays as it was: {}",
                         to_failure(made.error()).message);
  spdlog::info("read the certificate in {} again", with_.native.certificate);
  if (server_)
    server_->use(std::move(*made));
}

void native_port::check_callers() {
  if (server_)
    server_->check_callers();
}

std::string native_port::address() const {
  if (!server_ || !with_.native.address.empty())
    return on() ? with_.native.address : std::string{};
  auto bound = server_->address();
  return bound.starts_with("0.0.0.0:") || bound.starts_with("[::]:") ? std::string{} : bound;
}

std::vector<std::string> native_addresses(const std::vector<cluster_member>& all) {
  std::vector<std::string> result;
  for (auto& x : all)
    if (x.live && !x.draining && !x.native.empty()
        && std::ranges::find(x.roles, "gateway") != x.roles.end())
      result.push_back(x.native);
  return result;
}

void native_port::members(const std::vector<cluster_member>& all) {
  auto now = native_addresses(all);
  if (!server_ || now == places_->all())
    return;
  places_->set(std::move(now));
  server_->tell_nodes();
}

void native_port::leave() {
  if (server_)
    server_->leave();
}

void native_port::drain(caf::timespan limit) {
  if (server_)
    server_->drain(limit);
}

} // namespace sotto
