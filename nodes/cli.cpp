#include "nodes/cli.hpp"

#include <unistd.h>

#include "nodes/cli_commands.hpp"
#include "nodes/line_filter.hpp"
#include "nodes/senses_lines.hpp"

namespace sotto {

namespace {

/// The variables that commands know besides the configuration's.
std::map<std::string, std::string> command_environment() {
  auto out = process_environment();
  if (auto user = std::getenv("USER"))
    out["USER"] = user;
  return out;
}

/// Runs what needs a configuration without problems.
template <class F>
int with_options(const cli_call& call, F run) {
  auto loaded = load_options(call.sources);
  for (auto& problem : loaded.problems)
    complain(problem);
  return loaded.problems.empty() ? run(loaded.value) : exit_failure;
}

int run(const cli_call& call, const cli_parts& parts) {
  switch (call.command) {
  case cli_command::node:
    return with_options(call, parts.start_node);
  case cli_command::worker:
    return with_options(call, [&](auto& x) { return parts.run_worker(x, call.operation); });
  case cli_command::watcher:
    return parts.run_watcher();
  case cli_command::chat:
    return chat_command(call);
  case cli_command::emotion:
    return with_options(
        call, [&](auto& x) { return filter_command(call, x, parts.open_emotion, mood_header()); });
  case cli_command::embed:
    return with_options(call,
                        [&](auto& x) { return filter_command(call, x, parts.open_embedding, ""); });
  case cli_command::memory_list:
    return memory_list_command(call);
  case cli_command::memory_search:
    return memory_search_command(call);
  case cli_command::memory_forget:
    return memory_forget_command(call);
  case cli_command::memory_reembed:
    return memory_reembed_command(call);
  case cli_command::cluster_status:
    return cluster_status_command(call);
  case cli_command::cluster_watch:
    return cluster_watch_command(call);
  case cli_command::cluster_drain:
    return cluster_drain_command(call);
  case cli_command::cluster_rebalance:
    return cluster_rebalance_command(call);
  case cli_command::keys_create:
    return with_options(call, [&](auto& x) { return keys_create_command(call, x.edge.keys_file); });
  case cli_command::keys_list:
    return with_options(call, [&](auto& x) { return keys_list_command(call, x.edge.keys_file); });
  case cli_command::keys_revoke:
    return with_options(call, [&](auto& x) { return keys_revoke_command(call, x.edge.keys_file); });
  case cli_command::cluster_certs:
    return cluster_certs_command(call);
  case cli_command::store_copy:
    return with_options(call, [&](auto& x) { return store_copy_command(call, x); });
  case cli_command::config_show:
    return config_show_command(call, load_options(call.sources));
  case cli_command::config_check:
    return config_check_command(call, load_options(call.sources));
  }
  return exit_bad_use;
}

} // namespace

void complain(std::string_view text) {
  write_all(STDERR_FILENO, std::string{text} + '\n');
}

void print(std::string_view text) {
  write_all(STDOUT_FILENO, text);
}

int run_cli(const std::vector<std::string>& arguments, const cli_parts& parts) {
  auto parsed = parse_cli(arguments, command_environment());
  if (auto call = std::get_if<cli_call>(&parsed))
    return run(*call, parts);
  auto& x = std::get<cli_exit>(parsed);
  print(x.out);
  write_all(STDERR_FILENO, x.err);
  return x.code;
}

} // namespace sotto
