#include "nodes/watcher_command.hpp"

#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "nodes/cli.hpp"
#include "nodes/cli_commands.hpp"
#include "runtime/clock.hpp"
#include "runtime/postgres_cluster.hpp"

namespace sotto {

namespace {

constexpr auto look_again = std::chrono::milliseconds{1},
               try_again = std::chrono::milliseconds{100};

/// The end of the socket alone does not say it: only when the last thread of a process has ended,
/// and after all its descriptors are closed, do its children get another parent.
bool is_dead(int parent, int64_t longest) {
  for (auto until = monotonic_nanos() + longest; getppid() == parent;
       std::this_thread::sleep_for(look_again))
    if (monotonic_nanos() > until)
      return false;
  return true;
}

failure bury(const watch_order& x) {
  reactor io;
  postgres::target target;
  target.url = x.url;
  target.schema = x.schema;
  target.application = "sotto watcher of " + x.node;
  postgres_cluster cluster{target, caf::timespan{x.margin}, io};
  failure why;
  for (auto until = monotonic_nanos() + x.lease; monotonic_nanos() < until;
       std::this_thread::sleep_for(try_again))
    if (!(why = cluster.bury(x.incarnation)))
      return {};
  return why;
}

} // namespace

std::string write_order(const watch_order& x) {
  return nlohmann::json{{"parent", x.parent}, {"node", x.node},     {"incarnation", x.incarnation},
                        {"url", x.url},       {"schema", x.schema}, {"margin", x.margin},
                        {"lease", x.lease}}
      .dump();
}

caf::expected<watch_order> read_order(std::string_view text) {
  try {
    auto from = nlohmann::json::parse(text);
    watch_order x;
    from.at("parent").get_to(x.parent);
    from.at("node").get_to(x.node);
    from.at("incarnation").get_to(x.incarnation);
    from.at("url").get_to(x.url);
    from.at("schema").get_to(x.schema);
    from.at("margin").get_to(x.margin);
    from.at("lease").get_to(x.lease);
    return x;
  } catch (const nlohmann::json::exception&) {
    return to_error({ec::invalid, "this is no order of a node to its watcher", {}});
  }
}

caf::expected<std::shared_ptr<child_process>> start_watcher(reactor& io, child_events events) {
  return start_child(io, {"/proc/self/exe", "watcher"}, std::move(events));
}

int run_watcher() {
  std::optional<watch_order> order;
  auto code = run_child([&](std::string_view frame) {
    if (auto x = read_order(frame))
      order = std::move(*x);
    return std::string{order ? "watching" : "what?"};
  });
  if (!order) {
    complain("sotto watcher: is started by nodes, for themselves");
    return exit_bad_use;
  }
  if (code != 0 || !is_dead(order->parent, order->lease))
    return exit_failure;
  if (auto why = bury(*order)) {
    complain(fmt::format("node {} is dead; its partitions wait for the end of its lease: {}",
                         order->node, why.message));
    return exit_failure;
  }
  complain(fmt::format("node {} is dead; its partitions were given up for others", order->node));
  return exit_ok;
}

} // namespace sotto
