#include "nodes/node_cluster.hpp"

#include <algorithm>
#include <thread>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <caf/scoped_actor.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "actors/death_watch.hpp"
#include "actors/links.hpp"
#include "actors/route.hpp"
#include "nodes/watcher_command.hpp"
#include "runtime/authority.hpp"
#include "runtime/clock.hpp"
#include "runtime/postgres_cluster.hpp"
#include "runtime/process_figures.hpp"
#include "runtime/secure_links.hpp"

namespace sotto {

namespace {

constexpr auto joining = "joining the cluster: not every partition has an owner yet";
constexpr auto outside = "this node has lost its place in the cluster and joins again";
constexpr auto leaving = "moving its partitions to other nodes";

constexpr auto look_again = std::chrono::milliseconds{20};
/// How many partitions are named of those that cost most.
constexpr size_t hottest = 8;

/// The process's share of cores since the last look, and how it is spread over the partitions.
class load_meter {
public:
  explicit load_meter(partition_table& of) : of_(of) {}

  cluster_load operator()() {
    auto now = monotonic_nanos();
    auto cpu = read_process_figures().cpu;
    cluster_load x;
    if (looked_ != 0 && now > looked_)
      x.busy = static_cast<double>(cpu - cpu_) / static_cast<double>(now - looked_);
    looked_ = now;
    cpu_ = cpu;
    busy_ += (x.busy - busy_) * smoothing;
    x.busy = busy_;
    x.hottest = share(busy_);
    return x;
  }

private:
  static constexpr double smoothing = 0.3;

  std::vector<partition_load> share(double busy) {
    auto asked = of_.take_asked();
    shares_.resize(asked.size());
    double all = 0;
    for (size_t i = 0; i < asked.size(); ++i) {
      shares_[i] += (static_cast<double>(asked[i]) - shares_[i]) * smoothing;
      all += shares_[i];
    }
    std::vector<partition_load> result;
    for (size_t i = 0; all > 0 && i < shares_.size(); ++i)
      if (shares_[i] > 0)
        result.push_back({static_cast<uint32_t>(i), busy * shares_[i] / all});
    auto few = std::min(hottest, result.size());
    std::partial_sort(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(few),
                      result.end(), [](auto& a, auto& b) { return a.busy > b.busy; });
    result.resize(few);
    return result;
  }

  partition_table& of_;
  int64_t looked_ = 0;
  int64_t cpu_ = 0;
  double busy_ = 0;
  std::vector<double> shares_;
};

std::vector<link_member> peers_of(const std::vector<cluster_member>& all, const std::string& self) {
  std::vector<link_member> result;
  for (auto& x : all) {
    auto address = parse_link_address(x.link);
    if (x.live && x.name != self && address)
      result.push_back({x.name, address->first, address->second});
  }
  return result;
}

/// What cannot be mended by going on.
[[noreturn]] void give_up(const failure& why) {
  spdlog::critical("node ends at once: {}", why.message);
  spdlog::shutdown();
  std::_Exit(1);
}

} // namespace

failure node_cluster::prepare(caf::actor_system_config& config) {
  if (!on())
    return {};
  incarnation_ = to_string(boost::uuids::random_generator{}());
  fence_ = std::make_shared<fence>(incarnation_);
  serving_ = std::make_shared<serving_lease>(fence_);
  auto authority = authority_fingerprint(with_.link.ca);
  if (!authority)
    return to_failure(authority.error());
  authority_ = std::move(*authority);
  return enable_links(config, with_.link);
}

failure node_cluster::open(node_frame& in, gateway_handles& to) {
  if (!on()) {
    to.partitions.fill(with_.node.partitions, {});
    return {};
  }
  route_parts ways;
  ways.options = with_.link;
  ways.partitions = with_.node.partitions;
  ways.gate = [&to] { return turn_gate_actor{to.admission}; };
  ways.lease = serving_;
  route_ = in.keep_vital(in.system->spawn(route, std::move(ways)), "route");
  to.turns = route_;
  to.partitions.fill(with_.node.partitions, route_, serving_);
  to.unready = joining;
  link_parts parts;
  parts.options = with_.link;
  parts.self.cluster = authority_;
  parts.self.node = with_.cluster.name;
  parts.self.incarnation = incarnation_;
  parts.self.version = SOTTO_VERSION;
  parts.route = route_;
  parts.turns = [&to](uint32_t number) {
    return to.partitions.at(number).second ? turn_home_actor{to.admission} : turn_home_actor{};
  };
  parts.home = [&to](uint32_t number) {
    auto [home, here] = to.partitions.at(number);
    return here ? home : listened_partition_actor{};
  };
  if (!to.llm_route)
    parts.models = [&to] { return to.draining ? llm_actor{} : to.llm; };
  parts.llm_route = to.llm_route;
  parts.generating = generating_;
  parts.dial = [timeout = with_.link.connect_timeout](const link_actor& self,
                                                      const std::string& host, uint16_t port) {
    dial_link(self, host, port, timeout);
  };
  links_ = in.keep(in.system->spawn(links, std::move(parts), route_));
  to.links = links_;
  auto port = open_link_door(links_, with_.link);
  if (!port)
    return to_failure(port.error());
  auto listen = with_.link.listen;
  address_ = listen.substr(0, listen.rfind(':') + 1) + std::to_string(*port);
  return {};
}

void node_cluster::complete(partition_host_parts& host, gateway_handles& to) const {
  if (!on())
    return;
  host.route = route_;
  host.hand_off = with_.cluster.release_timeout;
  host.members_changed = [links = links_, models = to.llm_route,
                          self = with_.cluster.name](auto& all) {
    caf::anon_send<caf::message_priority::high>(links, context{}, atom::members_v,
                                                peers_of(all, self));
    if (models)
      caf::anon_send<caf::message_priority::high>(models, context{}, atom::members_v, all);
  };
  host.settled = [&to](bool settled) { to.unready = settled ? nullptr : outside; };
  host.measure = load_meter{to.partitions};
}

failure node_cluster::join(node_frame& in, gateway_handles& to, const partition_host_actor& host,
                           const std::string& http, const std::string& native) {
  if (!on())
    return {};
  membership_setup setup;
  setup.with = with_.cluster;
  setup.cluster = {with_.node.partitions, authority_};
  setup.self.name = with_.cluster.name;
  setup.self.incarnation = incarnation_;
  setup.self.http = with_.cluster.http.empty() ? http : with_.cluster.http;
  setup.self.link = address_;
  setup.self.native = native;
  setup.self.roles = with_.cluster.roles;
  setup.self.capacity = with_.cluster.capacity;
  setup.self.version = SOTTO_VERSION;
  setup.self.protocol = newest_link_protocol;
  postgres::target target;
  target.url = with_.storage.url;
  target.schema = with_.store.schema;
  target.application = "sotto " + with_.cluster.name;
  setup.store = std::make_shared<postgres_cluster>(target, with_.cluster.margin, in.sockets);
  setup.writes = fence_;
  setup.serving = serving_;
  setup.give_up = give_up;
  to.membership = in.keep(in.system->spawn<caf::detached>(membership, std::move(setup), host));
  caf::anon_send<caf::message_priority::high>(links_, context{}, atom::suspect_v, to.membership);
  spdlog::info("node {} listens for its cluster on {}", with_.cluster.name, address_);
  if (with_.cluster.watcher)
    watch(in);
  return {};
}

void node_cluster::watch(node_frame& in) const {
  watch_order x;
  x.parent = getpid();
  x.node = with_.cluster.name;
  x.incarnation = incarnation_;
  x.url = with_.storage.url;
  x.schema = with_.store.schema;
  x.margin = with_.cluster.margin.count();
  x.lease = with_.cluster.lease.count();
  death_watch_parts parts;
  parts.order = write_order(x);
  parts.start = [&sockets = in.sockets](child_events events) {
    return start_watcher(sockets, std::move(events));
  };
  in.keep(in.system->spawn(death_watch, std::move(parts)));
}

void node_cluster::hand_over(caf::actor_system& in, gateway_handles& to, int64_t until) {
  if (!to.membership)
    return;
  to.unready = leaving;
  caf::scoped_actor self{in};
  uint32_t told = 0;
  for (auto more = true; more && monotonic_nanos() < until;
       std::this_thread::sleep_for(look_again)) {
    auto left = caf::timespan{std::max<int64_t>(until - monotonic_nanos(), 1'000'000)};
    self->request(to.membership, left, context{}, atom::drain_v, with_.cluster.name)
        .receive(
            [&](const drain_progress& x) {
              more = x.left > 0 && x.why.empty();
              if (x.left != std::exchange(told, x.left))
                spdlog::info("{} partitions are left to be handed over{}", x.left,
                             x.why.empty() ? "" : "; " + x.why);
            },
            [&](const caf::error& err) {
              spdlog::warn("partitions are not handed over: {}", to_failure(err).message);
              more = false;
            });
  }
}

bool node_cluster::finish_generations(int64_t until) const {
  while (*generating_ > 0 && monotonic_nanos() < until)
    std::this_thread::sleep_for(look_again);
  return *generating_ == 0;
}

void node_cluster::leave(caf::actor_system& in, gateway_handles& to) {
  if (!to.membership)
    return;
  caf::scoped_actor self{in};
  self->request(to.membership, with_.cluster.lease, context{}, atom::leave_v)
      .receive([](atom::drained) {},
               [](const caf::error& err) {
                 spdlog::warn("left the cluster without telling: {}", to_failure(err).message);
               });
}

} // namespace sotto
