#include <algorithm>
#include <cctype>
#include <sstream>

#include <CLI/CLI.hpp>

#include "config/rules.hpp"
#include "config/store_url.hpp"
#include "messages/time_text.hpp"
#include "nodes/cli.hpp"

namespace sotto {

namespace {

using app = CLI::App;

/// The flags that were given, before they are put in the order in which they count.
struct given {
  cli_call call;
  std::string data;
  std::string listen;
  std::string data_files;
  std::string keys_file;
  std::string ceiling;
  std::string expires;
};

void add_sources(app& to, given& x) {
  to.add_option("--config", x.call.sources.file, "TOML file (also SOTTO_CONFIG)");
  to.add_option("--profile", x.call.sources.profile,
                "What the values start from: standard, production, desktop, hybrid");
  to.add_option("--set", x.call.sources.assignments,
                "KEY=VALUE, such as session.recalled=8; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
}

void add_node_flags(app& to, given& x) {
  add_sources(to, x);
  to.add_option("--data", x.data, "Folder of everything the node stores (node.data)");
  to.add_option("--listen", x.listen, "HOST:PORT (gateway.listen)");
}

void add_json(app& to, given& x, const std::string& names = "--json") {
  to.add_flag(names, x.call.json, "Print JSON, for programs");
}

std::string check_url(const std::string& x) {
  return rule::is_http_url(x) ? "" : "must be a URL such as http://127.0.0.1:7700";
}

void add_url(app& to, given& x) {
  to.add_option("--url", x.call.url, "The node (also SOTTO_URL)")
      ->capture_default_str()
      ->check(CLI::Validator(check_url, "URL"));
}

/// The node, and what it wants to be shown.
void add_node_access(app& to, given& x) {
  add_url(to, x);
  to.add_option("--key", x.call.api_key,
                "The API key (better SOTTO_API_KEY: others see command lines)");
  to.add_option("--ca", x.call.ca_file, "PEM file of further authorities to trust with https")
      ->check(CLI::ExistingFile);
}

void add_client_flags(app& to, given& x) {
  add_node_access(to, x);
  to.add_option("--user", x.call.user, "Whose memory")->capture_default_str();
}

std::string check_name(const std::string& x) {
  return rule::is_name(x) ? "" : "must be a name without slash, at most 100 bytes";
}

std::string check_time(const std::string& x) {
  return parse_rfc3339(x) ? "" : "must be a time such as 2027-01-01T00:00:00Z (RFC 3339)";
}

void add_keys(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto keys = root.add_subcommand("keys", "Make, list or revoke the API keys of a node");
  keys->require_subcommand(1);
  auto add = [&](const char* name, const char* help, cli_command meaning) {
    auto to = keys->add_subcommand(name, help);
    add_sources(*to, x);
    to->add_option("--data", x.data, "The node's folder (node.data)");
    to->add_option("--keys", x.keys_file, "The file of the keys (gateway.keys)");
    add_json(*to, x);
    commands.emplace_back(to, meaning);
    return to;
  };
  auto create = add("create", "Make a key and print it, once", cli_command::keys_create);
  auto& key = x.call.key;
  CLI::Validator a_name{check_name, "NAME"};
  create->add_option("--tenant", key.tenant, "Whose data it reaches")->required()->check(a_name);
  create->add_option("--name", key.name, "What it is for")->check(a_name);
  create->add_option("--priority-ceiling", x.ceiling, "The most important level of its calls")
      ->check(CLI::IsMember({"critical", "high", "normal", "low", "background"}));
  auto rate =
      create->add_option("--rate", key.rate, "Requests a second")->check(CLI::Range(0.001, 1e6));
  create
      ->add_option("--burst", key.burst, "How many may come at once; a second's worth if not given")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(rate);
  create->add_flag("--admin", key.admin, "It may read metrics and act for all tenants");
  create->add_option("--expires", x.expires, "Until when it is valid")
      ->check(CLI::Validator(check_time, "RFC3339"));
  add("list", "Print what is known of them", cli_command::keys_list);
  auto revoke = add("revoke", "Have a key refused from now on", cli_command::keys_revoke);
  revoke->add_option("id", x.call.id, "The key's id, as listed")->required();
}

bool consists_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [=](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || others.find(c) != others.npos;
  });
}

std::string check_host(const std::string& x) {
  return !x.empty() && x.size() <= 253 && consists_of(x, ".-_:")
             ? ""
             : "must be a host name or an IP address";
}

std::string check_node(const std::string& x) {
  // The files of the authority are named so.
  return !x.empty() && x.size() <= 63 && x != "ca" && x.front() != '.' && x.front() != '-'
                 && consists_of(x, ".-_")
             ? ""
             : "must be a name of letters, digits and .-_ (and not \"ca\")";
}

std::string check_store(const std::string& x) {
  return is_store_url(x) ? "" : "must be sqlite:FOLDER or postgresql://USER@HOST:PORT/DATABASE";
}

std::string check_schema(const std::string& x) {
  return is_schema(x) ? "" : "must be small letters, digits and \"_\", at most 63";
}

void add_store(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto whole = root.add_subcommand("store", "Copy a store as a whole");
  whole->require_subcommand(1);
  auto copy = whole->add_subcommand("copy", "Copy a store that no node uses into an empty one");
  add_sources(*copy, x);
  copy->add_option("--data", x.data, "What \"sqlite:\" stands for (node.data)");
  CLI::Validator a_store{check_store, "URL"};
  copy->add_option("--from", x.call.from, "sqlite:FOLDER or postgresql://..., as store.url")
      ->required()
      ->check(a_store);
  copy->add_option("--to", x.call.to, "The same, empty or not there yet")
      ->required()
      ->check(a_store);
  CLI::Validator a_schema{check_schema, "NAME"};
  copy->add_option("--from-schema", x.call.from_schema, "Instead of store.schema")->check(a_schema);
  copy->add_option("--to-schema", x.call.to_schema, "Instead of store.schema")->check(a_schema);
  add_json(*copy, x);
  commands.emplace_back(copy, cli_command::store_copy);
}

void add_config(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto config = root.add_subcommand("config", "Show or check the configuration");
  config->require_subcommand(1);
  auto show = config->add_subcommand("show", "Print all settings as they would be used");
  add_node_flags(*show, x);
  show->add_flag("--explain", x.call.explain, "Say what each setting is for and may be");
  show->add_flag("--markdown", x.call.markdown, "Print the documentation of all settings instead");
  add_json(*show, x);
  commands.emplace_back(show, cli_command::config_show);
  auto check = config->add_subcommand("check", "Report everything that is wrong");
  add_node_flags(*check, x);
  add_json(*check, x);
  commands.emplace_back(check, cli_command::config_check);
}

void add_memory(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto memory =
      root.add_subcommand("memory", "List, search, forget or embed what a node remembers");
  memory->require_subcommand(1);
  auto list = memory->add_subcommand("list", "Print memories in order of arrival");
  add_client_flags(*list, x);
  list->add_option("--limit", x.call.limit, "At most so many; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  list->add_option("--after", x.call.after, "Start after the memory of this id");
  add_json(*list, x);
  commands.emplace_back(list, cli_command::memory_list);
  auto search = memory->add_subcommand("search", "Print the memories that answer a query best");
  add_client_flags(*search, x);
  search->add_option("query", x.call.query, "What to look for")->required();
  search->add_option("-k", x.call.k, "At most so many")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_json(*search, x);
  commands.emplace_back(search, cli_command::memory_search);
  auto forget = memory->add_subcommand("forget", "Remove a user's memories, or one of them");
  add_client_flags(*forget, x);
  forget->get_option("--user")->default_str("")->required();
  forget->add_option("--id", x.call.id, "Only the memory of this id");
  forget->add_flag("--yes", x.call.yes, "Do not ask");
  add_json(*forget, x);
  commands.emplace_back(forget, cli_command::memory_forget);
  auto reembed = memory->add_subcommand(
      "reembed", "Embed what has no vector of the node's embedder, of all users");
  add_node_access(*reembed, x);
  add_json(*reembed, x);
  commands.emplace_back(reembed, cli_command::memory_reembed);
}

void add_certs(app& cluster, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto certs = cluster.add_subcommand(
      "certs",
      "Make the cluster's own authority, and a certificate for each node and C++ frontend");
  certs->add_option("--dir", x.call.folder, "Where the files are; what is there is kept")
      ->required();
  certs->add_option("--node", x.call.nodes, "Name of a node; may be repeated")
      ->allow_extra_args()
      ->check(CLI::Validator(check_node, "NAME"));
  certs->add_option("--frontend", x.call.frontends, "Name of a C++ frontend; may be repeated")
      ->allow_extra_args()
      ->check(CLI::Validator(check_node, "NAME"));
  certs->add_option("--tenant", x.call.tenant, "The only tenant these frontends act for")
      ->check(CLI::Validator(check_name, "NAME"))
      ->needs("--frontend");
  certs->add_option("--host", x.call.hosts, "Name or address in the certificates; may be repeated")
      ->capture_default_str()
      ->allow_extra_args()
      ->check(CLI::Validator(check_host, "HOST"));
  certs->add_option("--days", x.call.days, "How long new certificates are valid")
      ->capture_default_str()
      ->check(CLI::Range(1, 3650));
  add_json(*certs, x);
  commands.emplace_back(certs, cli_command::cluster_certs);
}

void add_cluster(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto cluster = root.add_subcommand("cluster", "Run several nodes as one, and watch them");
  cluster->require_subcommand(1);
  add_certs(*cluster, x, commands);
  auto add = [&](const char* name, const char* help, cli_command meaning) {
    auto to = cluster->add_subcommand(name, help);
    add_node_access(*to, x);
    add_json(*to, x);
    commands.emplace_back(to, meaning);
    return to;
  };
  add("status", "Print nodes, roles, load, and who owns which partition",
      cli_command::cluster_status);
  add("watch", "Print the status whenever it changes, until interrupted",
      cli_command::cluster_watch);
  auto drain = add("drain", "Move all partitions off a node, and wait until it has none",
                   cli_command::cluster_drain);
  drain->add_option("node", x.call.node, "Its name")->required();
  drain->add_flag("--resume", x.call.resume, "Take a drain back: it may own partitions again");
  add("rebalance", "Even the shares out without pauses between moves",
      cli_command::cluster_rebalance);
}

void add_senses(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto emotion = root.add_subcommand("emotion", "Score the lines of stdin");
  add_json(*emotion, x, "--jsonl,--json");
  emotion->add_option("--data-files", x.data_files, "Folder of emotion.bin (node.data_files)");
  commands.emplace_back(emotion, cli_command::emotion);
  auto embed = root.add_subcommand("embed", "Embed the lines of stdin");
  add_json(*embed, x, "--jsonl,--json");
  embed->add_option("--data-files", x.data_files, "Folder of words.bin (node.data_files)");
  commands.emplace_back(embed, cli_command::embed);
}

void add_chat(app& root, given& x, std::vector<std::pair<app*, cli_command>>& commands) {
  auto chat = root.add_subcommand("chat", "Talk with a persona of a running node");
  add_client_flags(*chat, x);
  chat->add_option("--persona", x.call.persona, "Who answers; the node's first if not given");
  chat->add_option("--conversation", x.call.conversation, "Which of the user's conversations");
  chat->add_flag("--mood", x.call.mood, "Show the mood that was read from each line");
  chat->add_flag("--memories", x.call.memories, "Show the memories recalled for each line");
  add_json(*chat, x);
  commands.emplace_back(chat, cli_command::chat);
}

/// Named flags go before --set of the same key, and --set before nothing.
void order_sources(given& x) {
  std::vector<std::string> named;
  if (!x.data.empty())
    named.push_back("node.data=" + x.data);
  if (!x.listen.empty())
    named.push_back("gateway.listen=" + x.listen);
  if (!x.keys_file.empty())
    named.push_back("gateway.keys=" + x.keys_file);
  if (!x.data_files.empty())
    named.push_back("node.data_files=" + x.data_files);
  auto& all = x.call.sources.assignments;
  all.insert(all.end(), named.begin(), named.end());
}

std::string value_of(const std::map<std::string, std::string>& from, const std::string& name,
                     std::string otherwise) {
  auto i = from.find(name);
  return i == from.end() || i->second.empty() ? std::move(otherwise) : i->second;
}

} // namespace

std::variant<cli_call, cli_exit> parse_cli(std::vector<std::string> arguments,
                                           const std::map<std::string, std::string>& environment) {
  given x;
  x.call.sources.environment = environment;
  x.call.url = value_of(environment, "SOTTO_URL", "http://127.0.0.1:7700");
  x.call.user = value_of(environment, "USER", "me");
  x.call.api_key = value_of(environment, "SOTTO_API_KEY", "");
  app root{"Sotto: an actor runtime for conversational AI", "sotto"};
  root.set_version_flag("--version", "sotto " SOTTO_VERSION);
  root.require_subcommand(1);
  std::vector<std::pair<app*, cli_command>> commands;
  auto node = root.add_subcommand("node", "Start a node");
  add_node_flags(*node, x);
  commands.emplace_back(node, cli_command::node);
  auto worker = root.add_subcommand("worker", "Run an operation for a node (started by nodes)");
  worker->group(""); // not in the help
  add_node_flags(*worker, x);
  worker->add_option("operation", x.call.operation, "What to run")->required();
  commands.emplace_back(worker, cli_command::worker);
  auto watcher = root.add_subcommand("watcher", "Wait for a node's death (started by nodes)");
  watcher->group("");
  commands.emplace_back(watcher, cli_command::watcher);
  add_chat(root, x, commands);
  add_senses(root, x, commands);
  add_memory(root, x, commands);
  add_cluster(root, x, commands);
  add_keys(root, x, commands);
  add_store(root, x, commands);
  add_config(root, x, commands);
  try {
    std::reverse(arguments.begin(), arguments.end());
    root.parse(arguments);
  } catch (const CLI::ParseError& problem) {
    std::ostringstream out;
    std::ostringstream err;
    auto code = root.exit(problem, out, err);
    return cli_exit{code == 0 ? exit_ok : exit_bad_use, out.str(), err.str()};
  }
  for (auto& [command, meaning] : commands)
    if (command->parsed())
      x.call.command = meaning;
  // The default from the environment is not seen by the flag's own check.
  if (auto problem = check_url(x.call.url); !problem.empty())
    return cli_exit{exit_bad_use, "", "SOTTO_URL: " + problem + "\n"};
  x.call.key.ceiling = priority_from(x.ceiling).value_or(priority::critical);
  x.call.key.expires = parse_rfc3339(x.expires).value_or(0);
  order_sources(x);
  return std::move(x.call);
}

} // namespace sotto
