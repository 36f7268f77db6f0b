#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/bind.hpp"
#include "nodes/access.hpp"
#include "nodes/cli_commands.hpp"

namespace sotto {

namespace {

namespace fs = std::filesystem;

bool is_file(const std::string& path) {
  std::error_code problem;
  return fs::is_regular_file(path, problem);
}

/// What will fail or be missing when a node starts here and now, though it is well-formed.
std::vector<std::string> warnings_of(const options& x) {
  std::vector<std::string> out;
  for (auto& d : x.llm.deployments) {
    if (!d.api_key_env.empty() && !std::getenv(d.api_key_env.c_str()))
      out.push_back(fmt::format("deployment {}: the environment variable {} is not set", d.name,
                                d.api_key_env));
    for (auto& path : {d.api_key_file, d.ca_file})
      if (!path.empty() && !is_file(path))
        out.push_back(fmt::format("deployment {}: there is no file {}", d.name, path));
  }
  for (auto& path : {x.edge.tls_certificate, x.edge.tls_key})
    if (!path.empty() && !is_file(path))
      out.push_back(fmt::format("gateway: there is no file {}", path));
  if (!x.edge.open && !is_loopback(x.gateway.listen) && !is_file(x.edge.keys_file))
    out.push_back(fmt::format("gateway: others can reach {}, so the node will not start without an "
                              "API key: \"sotto keys create\" makes one",
                              x.gateway.listen));
  auto folder = find_data_files(x);
  for (auto name : {"emotion.bin", "words.bin"})
    if (auto path = fs::path{folder} / name; !is_file(path.string()))
      out.push_back(fmt::format("there is no {}: scripts/data/fetch makes it; without, the node "
                                "runs degraded",
                                path.string()));
  return out;
}

} // namespace

int config_show_command(const cli_call& call, const loaded_options& x) {
  if (call.markdown) {
    print(to_markdown());
    return exit_ok;
  }
  for (auto& problem : x.problems)
    complain(problem);
  if (!x.problems.empty())
    return exit_failure;
  print(call.json ? to_json(x.value) : to_toml(x.value, call.explain));
  return exit_ok;
}

int config_check_command(const cli_call& call, const loaded_options& x) {
  auto ok = x.problems.empty();
  auto warnings = ok ? warnings_of(x.value) : std::vector<std::string>{};
  if (call.json) {
    nlohmann::ordered_json out{{"ok", ok}, {"problems", x.problems}, {"warnings", warnings}};
    print(out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return ok ? exit_ok : exit_failure;
  }
  for (auto& problem : x.problems)
    complain(problem);
  for (auto& warning : warnings)
    complain("warning: " + warning);
  if (ok)
    print("the configuration is right\n");
  return ok ? exit_ok : exit_failure;
}

} // namespace sotto
