#include "config/binding.hpp"

namespace sotto::binding {

namespace {

using namespace std::chrono_literals;

bool is_name_or_nothing(std::string_view x) {
  return x.empty() || rule::is_name(x);
}

bool is_url_or_nothing(std::string_view x) {
  return x.empty() || rule::is_http_url(x);
}

constexpr rule::text name_or_nothing{is_name_or_nothing, "a name, or \"\" for a node alone"};
constexpr rule::text url_or_nothing{is_url_or_nothing,
                                    "an http:// or https:// URL, or \"\" for that of the gateway"};

void add_membership(settings_table& t) {
  using c = cluster_options;
  auto p = &o::cluster;
  t.push_back(in(p, &c::name, "cluster.name", name_or_nothing,
                 "This node's name, unique and kept across restarts; empty: no cluster"));
  t.push_back(in(p, &c::roles, "cluster.roles", rule::list{"a list of gateway, worker, llm"},
                 "What the node does: worker owns partitions, gateway serves frontends, llm calls "
                 "models; what is left out, others do for it"));
  t.push_back(in(p, &c::capacity, "cluster.capacity", rule::number{0.01, 1000},
                 "Share of the partitions in proportion to other nodes'"));
  t.push_back(in(p, &c::http, "cluster.http", url_or_nothing,
                 "Where frontends reach this node, as others are told"));
  t.push_back(in(p, &c::heartbeat, "cluster.heartbeat", rule::duration{50ms, 1min},
                 "How often the lease is renewed"));
  t.push_back(in(p, &c::lease, "cluster.lease", rule::duration{500ms, 10min},
                 "So long after its last heartbeat others take over a node's partitions"));
  t.push_back(in(p, &c::margin, "cluster.margin", rule::duration{50ms, 5min},
                 "So long before the end of its lease a node stops serving"));
  t.push_back(in(p, &c::release_timeout, "cluster.release_timeout", rule::duration{100ms, 10min},
                 "Longest wait for running turns before a partition moves all the same"));
  t.push_back(in(p, &c::watcher, "cluster.watcher", rule::flag{},
                 "A child process tells the others at once when the node's process has died"));
}

void add_rebalance(settings_table& t) {
  using r = rebalance_options;
  auto add = [&](std::string key_name, auto field, auto what, std::string help) {
    t.push_back(key<o>("cluster." + key_name, what, std::move(help), &o::cluster,
                       &cluster_options::rebalance, field));
  };
  add("max_moves", &r::max_moves, rule::count{1, 65'536},
      "Partitions of the cluster that move at a time, and begin to within the interval");
  add("move_interval", &r::interval, rule::duration{10ms, 10min}, "See cluster.max_moves");
  add("drain_moves", &r::drain_moves, rule::count{1, 65'536},
      "Partitions that a draining node gives away at a time");
  add("hot_above", &r::hot_above, rule::number{0.01, 100},
      "A node so much busier than the mean gives hot partitions away");
  add("hot_floor", &r::hot_floor, rule::number{0, 1000},
      "... if it uses at least so many cores for each unit of capacity");
  add("hot_pause", &r::settle, rule::duration{100ms, 1h}, "... one at a time, with this pause");
}

void add_link(settings_table& t) {
  using l = link_options;
  auto p = &o::link;
  t.push_back(in(p, &l::listen, "cluster.listen",
                 rule::text{rule::is_address, "HOST:PORT; port 0 takes a free one"},
                 "Where other nodes reach this one, always over mutual TLS"));
  t.push_back(in(p, &l::certificate, "cluster.certificate", path,
                 "PEM file of this node's certificate (sotto cluster certs makes one)"));
  t.push_back(in(p, &l::key, "cluster.key", path, "PEM file of its private key"));
  t.push_back(
      in(p, &l::ca, "cluster.ca", path, "PEM file of the cluster's own authority, and no other"));
  t.push_back(in(p, &l::heartbeat, "cluster.link_heartbeat", rule::duration{50ms, 1min},
                 "How often a link says something"));
  t.push_back(in(p, &l::timeout, "cluster.link_timeout", rule::duration{200ms, 10min},
                 "A peer that says nothing for so long is lost"));
  t.push_back(in(p, &l::window, "cluster.link_window", rule::count{1, 1'000'000},
                 "Messages that a peer may send before it gets credit for more"));
  t.push_back(
      in(p, &l::window_bytes, "cluster.link_window_bytes", kib(64, 1 << 20), "Bytes of them"));
  t.push_back(in(p, &l::max_waiting, "cluster.link_max_waiting", rule::count{1, 10'000'000},
                 "Messages that may wait for a peer"));
  t.push_back(in(p, &l::max_waiting_bytes, "cluster.link_max_waiting_bytes", kib(64, 16 << 20),
                 "Bytes of them"));
  t.push_back(in(p, &l::hold, "cluster.hold", rule::duration{0s, 10min},
                 "How long messages for a partition that moves are held"));
  t.push_back(in(p, &l::max_held, "cluster.max_held", rule::count{0, 10'000'000},
                 "Messages that are held, of all partitions"));
  t.push_back(
      in(p, &l::max_held_bytes, "cluster.max_held_bytes", kib(64, 16 << 20), "Bytes of them"));
}

bool is_address_or_nothing(std::string_view x) {
  return x.empty() || rule::is_address(x);
}

void add_native(settings_table& t) {
  using n = native_options;
  auto p = &o::native;
  t.push_back(in(p, &n::listen, "native.listen",
                 rule::text{is_address_or_nothing, "HOST:PORT, or \"\" for no such port"},
                 "Where C++ frontends reach the node, always over mutual TLS"));
  t.push_back(in(p, &n::address, "native.address",
                 rule::text{is_address_or_nothing, "HOST:PORT, or \"\" for that of native.listen"},
                 "Where frontends of other nodes of the cluster are told to find this one"));
  t.push_back(in(p, &n::certificate, "native.certificate", path,
                 "PEM file of this node's certificate; all three empty: those of cluster"));
  t.push_back(in(p, &n::key, "native.key", path, "PEM file of its private key"));
  t.push_back(
      in(p, &n::ca, "native.ca", path, "PEM file of the authority of frontends' certificates"));
  t.push_back(in(p, &n::max_connections, "native.max_connections", rule::count{1, 1'000'000},
                 "C++ frontends that may be connected at the same time"));
}

bool is_redis_url(std::string_view x) {
  return rule::is_text(x) && (x.empty() || parse_redis_url(std::string{x}));
}

void add_cache(settings_table& t) {
  using c = cache_options;
  auto p = &o::cache;
  t.push_back(in(p, &c::url, "cache.url",
                 rule::text{is_redis_url, "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], "
                                          "unix:PATH, or \"\" for none"},
                 "A Redis that nodes share as second cache of a provider's vectors"));
  t.push_back(in(p, &c::prefix, "cache.prefix", rule::text{is_label, "text"},
                 "Put before every key in it"));
  t.push_back(in(p, &c::ttl, "cache.ttl", rule::duration{1s, 24h * 3650},
                 "How long a value is kept in it"));
  t.push_back(in(p, &c::timeout, "cache.timeout", rule::duration{1ms, 10s},
                 "Longest wait for it; what comes later counts as missing"));
  t.push_back(in(p, &c::pause, "cache.pause", rule::duration{10ms, 10min},
                 "After a failure it is left alone for so long"));
}

} // namespace

void add_cluster(settings_table& t) {
  add_cache(t);
  add_membership(t);
  add_rebalance(t);
  add_link(t);
  add_native(t);
}

} // namespace sotto::binding
