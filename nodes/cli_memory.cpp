#include <chrono>
#include <iostream>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "nodes/chat_stream.hpp"
#include "nodes/cli_client.hpp"
#include "nodes/cli_commands.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

/// A page of memories as the node sends it.
struct page {
  bool ok = false;
  json results;
  std::string next;
};

page read_page(const node_answer& answer) {
  page out;
  if (!answer.ok()) {
    complain(printable(explain(answer)));
    return out;
  }
  auto x = json::parse(answer.body, nullptr, false);
  if (!x.is_object() || !x.contains("results") || !x["results"].is_array()) {
    complain("the node sent something else than a list of memories");
    return out;
  }
  out.ok = true;
  if (x.contains("next") && x["next"].is_string())
    out.next = x["next"];
  out.results = std::move(x["results"]);
  return out;
}

void print_memories(const json& results, bool as_json) {
  std::string out;
  for (auto& x : results)
    out +=
        (as_json ? x.dump(-1, ' ', false, json::error_handler_t::replace) : memory_line(x)) + "\n";
  print(out);
}

/// Whether a person at the terminal says yes, or did with --yes.
bool agreed(const cli_call& call) {
  if (call.yes)
    return true;
  complain(call.id.empty()
               ? fmt::format("This removes all memories of {} for good. Go on? [y/N]", call.user)
               : fmt::format("This removes the memory {} of {} for good. Go on? [y/N]", call.id,
                             call.user));
  std::string line;
  return std::getline(std::cin, line) && (line == "y" || line == "yes");
}

constexpr auto reembed_target = "/v1/admin/reembed";
constexpr auto ask_again = std::chrono::seconds{1};

/// The node's answer as an object; nothing, and the reason told, for anything else.
std::optional<json> read_progress(const node_answer& answer) {
  if (!answer.ok()) {
    complain(printable(explain(answer)));
    return std::nullopt;
  }
  auto x = json::parse(answer.body, nullptr, false);
  if (x.is_object() && x.value("state", json{}).is_string())
    return x;
  complain("the node sent something else than its progress");
  return std::nullopt;
}

std::string progress_line(const json& x) {
  auto count = [&](const char* key) {
    auto at = x.find(key);
    return at != x.end() && at->is_number_unsigned() ? at->get<uint64_t>() : 0;
  };
  return fmt::format("{} users looked at, {} memories embedded, {} left without a vector",
                     count("users"), count("embedded"), count("left"));
}

} // namespace

int memory_list_command(const cli_call& call) {
  constexpr uint64_t longest_page = 1000;
  node_client client{call.url, call.api_key, call.ca_file};
  auto left = call.limit == 0 ? std::numeric_limits<uint64_t>::max() : call.limit;
  for (auto after = call.after; left > 0;) {
    auto target = fmt::format("/v1/memories?user={}&limit={}", percent_encoded(call.user),
                              std::min(left, longest_page));
    if (!after.empty())
      target += "&after=" + percent_encoded(after);
    auto x = read_page(client.call("GET", target, ""));
    if (!x.ok)
      return exit_failure;
    print_memories(x.results, call.json);
    // A page without memories or progress would be asked for without end.
    if (x.next.empty() || x.next == after || x.results.empty())
      break;
    left -= std::min<uint64_t>(left, x.results.size());
    after = x.next;
  }
  return exit_ok;
}

int memory_search_command(const cli_call& call) {
  json body{{"user", call.user}, {"query", call.query}, {"k", call.k}};
  auto x = read_page(node_client{call.url, call.api_key, call.ca_file}.call(
      "POST", "/v1/memories/search", body.dump(-1, ' ', false, json::error_handler_t::replace)));
  if (!x.ok)
    return exit_failure;
  print_memories(x.results, call.json);
  return exit_ok;
}

int memory_reembed_command(const cli_call& call) {
  node_client client{call.url, call.api_key, call.ca_file};
  auto x = read_progress(client.call("POST", reembed_target, ""));
  std::string told;
  while (x && (*x)["state"] == "running") {
    if (auto line = progress_line(*x); line != told && !call.json)
      complain(told = line);
    std::this_thread::sleep_for(ask_again);
    x = read_progress(client.call("GET", reembed_target, ""));
  }
  if (!x)
    return exit_failure;
  print((call.json ? x->dump(-1, ' ', false, json::error_handler_t::replace) : progress_line(*x))
        + "\n");
  if ((*x)["state"] == "done")
    return exit_ok;
  if (auto why = x->value("error", json{}); why.is_string())
    complain(printable("memory reembed: " + why.get<std::string>()));
  return exit_failure;
}

int memory_forget_command(const cli_call& call) {
  if (!call.yes && ::isatty(STDIN_FILENO) == 0) {
    complain("memory forget: nobody is there to be asked; give --yes");
    return exit_bad_use;
  }
  if (!agreed(call)) {
    complain("nothing was removed");
    return exit_failure;
  }
  auto user = percent_encoded(call.user);
  auto target = call.id.empty()
                    ? "/v1/users/" + user
                    : fmt::format("/v1/memories/{}?user={}", percent_encoded(call.id), user);
  auto answer = node_client{call.url, call.api_key, call.ca_file}.call("DELETE", target, "");
  if (!answer.ok()) {
    complain(printable(explain(answer)));
    return exit_failure;
  }
  if (call.json)
    print(answer.body + (answer.body.ends_with('\n') ? "" : "\n"));
  else
    print(call.id.empty() ? fmt::format("forgot all memories of {}\n", call.user)
                          : fmt::format("forgot the memory {}\n", call.id));
  return exit_ok;
}

} // namespace sotto
