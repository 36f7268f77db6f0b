#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "nodes/chat_stream.hpp"
#include "nodes/cli_client.hpp"
#include "nodes/cli_commands.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

/// A conversation between stdin and a persona.
class conversation {
public:
  explicit conversation(const cli_call& call)
      : call_(call), client_(call.url, call.api_key, call.ca_file),
        asks_(::isatty(STDIN_FILENO) == 1), shows_(::isatty(STDOUT_FILENO) == 1) {}

  int run() {
    if (!find_persona())
      return exit_failure;
    if (asks_)
      complain(
          fmt::format("Talking with {} as {}. End with /quit or Ctrl-D.", persona_, call_.user));
    for (std::string line; read(line) && line != "/quit";)
      if (!line.empty() && !turn(line))
        failed_ = true;
    return failed_ ? exit_failure : exit_ok;
  }

private:
  bool read(std::string& line) {
    if (asks_)
      print("> ");
    if (!std::getline(std::cin, line)) {
      if (asks_)
        print("\n");
      return false;
    }
    if (line.ends_with('\r'))
      line.pop_back();
    return true;
  }

  /// Also tells early, and once, that no node answers.
  bool find_persona() {
    persona_ = call_.persona;
    if (!persona_.empty())
      return true;
    auto answer = client_.call("GET", "/v1/models", "");
    if (!answer.ok()) {
      complain(explain(answer));
      return false;
    }
    auto x = json::parse(answer.body, nullptr, false);
    if (x.is_object() && x.contains("data") && x["data"].is_array() && !x["data"].empty()
        && x["data"][0].is_object() && x["data"][0].contains("id")
        && x["data"][0]["id"].is_string())
      persona_ = x["data"][0]["id"];
    if (persona_.empty())
      complain("the node has no persona; name one with --persona");
    return !persona_.empty();
  }

  std::string request(const std::string& line) const {
    json x{{"model", persona_},
           {"stream", true},
           {"user", call_.user},
           {"messages", json::array({{{"role", "user"}, {"content", line}}})}};
    return x.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  bool turn(const std::string& line) {
    bool streams = !call_.json;
    chat_stream stream{[&](std::string_view token) {
      if (streams)
        print(shows_ ? printable(token) : std::string{token});
    }};
    node_client::headers headers;
    if (!call_.conversation.empty())
      headers.emplace_back("Sotto-Conversation", call_.conversation);
    auto answer = client_.call("POST", "/v1/chat/completions", request(line), headers,
                               [&](std::string_view bytes) { stream.feed(bytes); });
    if (streams && !stream.text().empty())
      print("\n");
    auto problem = answer.ok() ? stream.problem() : explain(answer);
    if (!problem.empty()) {
      complain(printable(problem));
      return false;
    }
    report(stream);
    return true;
  }

  void report(const chat_stream& stream) const {
    auto& about = stream.about();
    if (call_.json) {
      json x{{"text", stream.text()}, {"model", stream.model()}, {"sotto", about}};
      return print(x.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
    }
    if (auto mood = mood_line(about); call_.mood && !mood.empty())
      print("  mood: " + mood + "\n");
    if (call_.memories)
      for (auto& x : memories_of(about))
        print("  recalled: " + memory_line(x) + "\n");
    if (auto missing = degraded_line(about); !missing.empty() && (call_.mood || call_.memories))
      print("  without: " + missing + "\n");
  }

  const cli_call& call_;
  node_client client_;
  /// A person sits at the keyboard, and at the screen.
  bool asks_;
  bool shows_;
  bool failed_ = false;
  std::string persona_;
};

} // namespace

int chat_command(const cli_call& call) {
  return conversation{call}.run();
}

} // namespace sotto
