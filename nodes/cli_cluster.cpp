// `sotto cluster status|watch|drain|rebalance`: what an operator asks a node about its cluster.
#include <chrono>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "nodes/chat_stream.hpp"
#include "nodes/cli_client.hpp"
#include "nodes/cli_commands.hpp"
#include "nodes/cluster_api.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr auto ask_again = std::chrono::milliseconds{500};
constexpr auto watch_every = std::chrono::seconds{1};

std::string line_of(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// The node's answer as an object that has `field`; nothing, and the reason told, for anything
/// else.
std::optional<json> ask(const cli_call& call, const char* method, const char* target,
                        const std::string& body, const char* field) {
  auto answer = node_client{call.url, call.api_key, call.ca_file}.call(method, target, body);
  if (!answer.ok()) {
    complain(printable(explain(answer)));
    return std::nullopt;
  }
  auto x = json::parse(answer.body, nullptr, false);
  if (x.is_object() && x.contains(field))
    return x;
  complain("the node sent something else than the state of a cluster");
  return std::nullopt;
}

std::string text(const json& from, const char* key) {
  auto at = from.find(key);
  if (at == from.end() || at->is_null())
    return "-";
  return printable(at->is_string() ? at->get<std::string>() : at->dump());
}

double number(const json& from, const char* key) {
  auto at = from.find(key);
  return at != from.end() && at->is_number() ? at->get<double>() : 0;
}

std::string joined(const json& texts) {
  std::string result;
  if (texts.is_array())
    for (auto& x : texts)
      if (x.is_string())
        result += (result.empty() ? "" : ",") + x.get<std::string>();
  return printable(result);
}

const json& list_of(const json& from, const char* key) {
  static const json none = json::array();
  auto at = from.find(key);
  return at != from.end() && at->is_array() ? *at : none;
}

std::string link_of(const json& node) {
  auto at = node.find("linked");
  if (at == node.end())
    return "-";
  return *at == true ? "up" : "down";
}

std::string nodes_table(const json& x) {
  auto out =
      fmt::format("{:<16} {:<9} {:<20} {:>8} {:>10} {:>6} {:<5} {:<10} {}\n", "NODE", "STATE",
                  "ROLES", "CAPACITY", "PARTITIONS", "CORES", "LINK", "VERSION", "HTTP");
  for (auto& node : list_of(x, "nodes"))
    out += fmt::format("{:<16} {:<9} {:<20} {:>8} {:>10} {:>6.2f} {:<5} {:<10} {}\n",
                       text(node, "name"), text(node, "state"), joined(node.value("roles", json{})),
                       number(node, "capacity"), number(node, "partitions"),
                       number(node.value("load", json::object()), "cores"), link_of(node),
                       text(node, "version"), text(node, "http"));
  return out;
}

/// `0-84,90`, of numbers in order.
std::string ranges(const std::vector<uint64_t>& numbers) {
  std::string out;
  for (size_t i = 0; i < numbers.size();) {
    auto j = i;
    while (j + 1 < numbers.size() && numbers[j + 1] == numbers[j] + 1)
      ++j;
    out += (out.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (j > i)
      out += "-" + std::to_string(numbers[j]);
    i = j + 1;
  }
  return out;
}

/// Partitions of one owner, epoch and destination in one line.
std::string partitions_table(const json& x) {
  std::map<std::tuple<std::string, std::string, uint64_t, bool>, std::vector<uint64_t>> groups;
  for (auto& p : list_of(x, "partitions"))
    groups[{text(p, "node"), text(p, "moving_to"), static_cast<uint64_t>(number(p, "epoch")),
            p.value("live", false)}]
        .push_back(static_cast<uint64_t>(number(p, "partition")));
  auto out = fmt::format("\n{:<16} {:>6} {:<16} {:>5} {}\n", "OWNER", "EPOCH", "MOVING TO", "COUNT",
                         "PARTITIONS");
  for (auto& [key, numbers] : groups) {
    auto& [owner, to, epoch, live] = key;
    auto name = owner == "-" ? "(nobody)" : live ? owner : owner + " (lost)";
    out += fmt::format("{:<16} {:>6} {:<16} {:>5} {}\n", name, epoch, to, numbers.size(),
                       ranges(numbers));
  }
  return out;
}

/// Runs of nodes that are over; nothing where there are none. `NOW` is what became of the name.
std::string departures_table(const json& x) {
  std::map<std::string, std::string> now;
  for (auto& node : list_of(x, "nodes"))
    now[text(node, "name")] = text(node, "state");
  std::string out;
  for (auto& gone : list_of(x, "departures")) {
    auto name = text(gone, "name");
    if (out.empty())
      out = fmt::format("\n{:<16} {:<11} {:<28} {}\n", "DEPARTED", "WHY", "AT", "NOW");
    out += fmt::format("{:<16} {:<11} {:<28} {}\n", name, text(gone, "why"), text(gone, "at"),
                       now.contains(name) ? now[name] : "gone");
  }
  return out;
}

std::string status_of(const json& x) {
  return nodes_table(x) + partitions_table(x) + departures_table(x)
         + fmt::format("\n{} partitions are moving or unowned; as seen by {} {:.1f} s ago\n",
                       number(x, "moving"), text(x, "node"), number(x, "age_ms") / 1000);
}

} // namespace

int cluster_status_command(const cli_call& call) {
  auto x = ask(call, "GET", cluster_path, "", "partitions");
  if (!x)
    return exit_failure;
  print(call.json ? line_of(*x) : status_of(*x));
  return exit_ok;
}

int cluster_watch_command(const cli_call& call) {
  constexpr auto home = "\033[H\033[2J";
  for (std::string told;; std::this_thread::sleep_for(watch_every)) {
    auto x = ask(call, "GET", cluster_path, "", "partitions");
    if (!x)
      return exit_failure;
    auto screen = ::isatty(STDOUT_FILENO) != 0 && !call.json;
    auto now = call.json ? line_of(*x) : status_of(*x);
    if (screen || now != told)
      print((screen ? home : "") + now);
    told = std::move(now);
  }
}

int cluster_drain_command(const cli_call& call) {
  auto body = line_of({{"node", call.node}, {"resume", call.resume}});
  std::string told;
  for (;; std::this_thread::sleep_for(ask_again)) {
    auto x = ask(call, "POST", cluster_drain_path, body, "partitions_left");
    if (!x)
      return exit_failure;
    auto left = number(*x, "partitions_left");
    auto now = call.json ? line_of(*x)
               : call.resume
                   ? fmt::format("{} takes partitions again\n", text(*x, "node"))
                   : fmt::format("{}: {} partitions left{}\n", text(*x, "node"), left,
                                 x->contains("waits_for") ? "; " + text(*x, "waits_for") : "");
    if (now != told)
      print(now);
    told = std::move(now);
    if (call.resume || left == 0)
      return exit_ok;
  }
}

int cluster_rebalance_command(const cli_call& call) {
  auto x = ask(call, "POST", cluster_rebalance_path, "", "partitions");
  if (!x)
    return exit_failure;
  // Each node asks for its own share: all are told.
  for (auto& node : list_of(*x, "nodes")) {
    auto other = call;
    other.url = text(node, "http");
    if (text(node, "state") == "up" && text(node, "name") != text(*x, "node")
        && !ask(other, "POST", cluster_rebalance_path, "", "partitions"))
      complain("cluster rebalance: " + text(node, "name") + " was not told");
  }
  print(call.json ? line_of(*x) : status_of(*x));
  return exit_ok;
}

} // namespace sotto
