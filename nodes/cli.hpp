#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "config/load.hpp"
#include "nodes/api_keys.hpp"
#include "nodes/line_filter.hpp"

namespace sotto {

enum class cli_command : uint8_t {
  node,
  worker,
  watcher,
  chat,
  emotion,
  embed,
  memory_list,
  memory_search,
  memory_forget,
  memory_reembed,
  cluster_status,
  cluster_watch,
  cluster_drain,
  cluster_rebalance,
  keys_create,
  keys_list,
  keys_revoke,
  cluster_certs,
  store_copy,
  config_show,
  config_check,
};

/// A command line that was understood.
struct cli_call {
  cli_command command = cli_command::node;
  /// Print for programs.
  bool json = false;
  /// `node`, `config`, `emotion` and `embed`: flags of the configuration.
  option_sources sources;
  /// `config show`: say what each key is for.
  bool explain = false;
  /// `config show`: print the documentation of all keys instead.
  bool markdown = false;

  /// `chat` and `memory`: the node, and whose memory.
  std::string url;
  std::string user;
  /// The key to show to the node, and a PEM file of authorities to trust; both may be empty.
  std::string api_key;
  std::string ca_file;

  /// `keys create`: what the new key allows.
  sotto::api_key key;

  /// `cluster certs`: where the files are, for which nodes, their hosts, and for how long.
  std::string folder;
  std::vector<std::string> nodes;
  /// C++ frontends to make certificates for, and the tenant these act for (may be empty).
  std::vector<std::string> frontends;
  std::string tenant;
  std::vector<std::string> hosts{"127.0.0.1", "localhost"};
  uint32_t days = 825;
  /// `store copy`: as `store.url`; a schema may be empty for `store.schema`.
  std::string from, to;
  std::string from_schema, to_schema;

  std::string persona;
  std::string conversation;
  bool mood = false;
  bool memories = false;

  /// `worker`: what the child process runs.
  std::string operation;

  /// `cluster drain`: which node, and whether to take it back.
  std::string node;
  bool resume = false;

  std::string query;
  std::string id;
  std::string after;
  uint32_t k = 10;
  /// 0: all.
  uint64_t limit = 100;
  bool yes = false;
};

/// A command line that is answered at once: help, version, or bad use (code 2).
struct cli_exit {
  int code = 0;
  std::string out;
  std::string err;
};

/// Reads the arguments after the program's name. `environment` holds the defaults SOTTO_URL,
/// SOTTO_API_KEY and USER.
std::variant<cli_call, cli_exit> parse_cli(std::vector<std::string> arguments,
                                           const std::map<std::string, std::string>& environment);

/// Exit codes of all commands.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_bad_use = 2;

/// What the commands are made of besides this room's own files; `main` puts it together.
struct cli_parts {
  /// `sotto node`: runs until it is told to stop; returns the exit code.
  int (*start_node)(const options&);
  /// `sotto worker`: serves its node until that is gone.
  int (*run_worker)(const options&, const std::string& operation);
  /// `sotto watcher`: waits for the death of its node.
  int (*run_watcher)();
  /// What `sotto emotion` and `sotto embed` write for each line, as JSON or for people. Throw a
  /// `std::exception` that says why they cannot.
  line_handler (*open_emotion)(const options&, bool json);
  line_handler (*open_embedding)(const options&, bool json);
};

/// Runs the command of the arguments after the program's name. Returns the exit code.
int run_cli(const std::vector<std::string>& arguments, const cli_parts& parts);

} // namespace sotto
