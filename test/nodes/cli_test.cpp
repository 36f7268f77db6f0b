#include <catch2/catch.hpp>

#include "nodes/cli.hpp"

using namespace sotto;
using Catch::Contains;

namespace {

cli_call understood(std::vector<std::string> arguments,
                    const std::map<std::string, std::string>& environment = {}) {
  auto x = parse_cli(std::move(arguments), environment);
  if (auto exit = std::get_if<cli_exit>(&x))
    FAIL(exit->out + exit->err);
  return std::get<cli_call>(x);
}

cli_exit refused(std::vector<std::string> arguments,
                 const std::map<std::string, std::string>& environment = {}) {
  auto x = parse_cli(std::move(arguments), environment);
  REQUIRE(std::holds_alternative<cli_exit>(x));
  return std::get<cli_exit>(x);
}

} // namespace

TEST_CASE("node flags become assignments after the --set of the same key") {
  auto x =
      understood({"node", "--data", "d", "--set", "gateway.listen=a:1", "--listen", "127.0.0.1:0",
                  "--set=node.seed=4", "--config", "f", "--profile", "desktop"});
  CHECK(x.command == cli_command::node);
  CHECK(x.sources.assignments
        == std::vector<std::string>{"gateway.listen=a:1", "node.seed=4", "node.data=d",
                                    "gateway.listen=127.0.0.1:0"});
  CHECK(x.sources.file == "f");
  CHECK(x.sources.profile == "desktop");
}

TEST_CASE("a node of the environment and the user's name are defaults of the tools") {
  auto x = understood({"chat"}, {{"SOTTO_URL", "http://h:1"}, {"USER", "ada"}});
  CHECK(x.url == "http://h:1");
  CHECK(x.user == "ada");
  x = understood({"chat", "--url", "http://other", "--user", "b"}, {{"SOTTO_URL", "http://h:1"}});
  CHECK(x.url == "http://other");
  CHECK(x.user == "b");
  CHECK(understood({"chat"}).url == "http://127.0.0.1:7700");
}

TEST_CASE("every command is understood with its flags") {
  CHECK(understood({"emotion", "--jsonl"}).json);
  CHECK(understood({"embed", "--json", "--data-files", "d"}).sources.assignments
        == std::vector<std::string>{"node.data_files=d"});
  auto x = understood({"chat", "--persona", "p", "--conversation", "c", "--mood", "--memories"});
  CHECK((x.persona == "p" && x.conversation == "c" && x.mood && x.memories));
  x = understood({"memory", "list", "--user", "u", "--limit", "0", "--after", "i", "--json"});
  CHECK(x.command == cli_command::memory_list);
  CHECK((x.user == "u" && x.limit == 0 && x.after == "i" && x.json));
  x = understood({"memory", "search", "--user", "u", "a cat", "-k", "3"});
  CHECK(x.command == cli_command::memory_search);
  CHECK((x.query == "a cat" && x.k == 3));
  x = understood({"memory", "forget", "--user", "u", "--id", "i", "--yes"});
  CHECK(x.command == cli_command::memory_forget);
  CHECK((x.id == "i" && x.yes));
  x = understood({"memory", "reembed", "--url", "http://other", "--json"});
  CHECK(x.command == cli_command::memory_reembed);
  CHECK((x.url == "http://other" && x.json));
  CHECK(understood({"config", "show", "--explain"}).explain);
  CHECK(understood({"config", "check", "--set", "a=b"}).command == cli_command::config_check);
}

TEST_CASE("a key is made as the flags say") {
  auto x = understood({"keys", "create", "--tenant", "acme", "--name", "bot", "--rate", "2.5",
                       "--burst", "9", "--priority-ceiling", "low", "--admin", "--expires",
                       "2027-01-01T00:00:00Z", "--keys", "/k.json", "--json"});
  CHECK(x.command == cli_command::keys_create);
  CHECK(x.key.tenant == "acme");
  CHECK(x.key.name == "bot");
  CHECK(x.key.rate == 2.5);
  CHECK(x.key.burst == 9);
  CHECK(x.key.ceiling == priority::low);
  CHECK(x.key.admin);
  CHECK(x.key.expires == 1'798'761'600'000'000);
  CHECK(x.json);
  CHECK(x.sources.assignments == std::vector<std::string>{"gateway.keys=/k.json"});
  CHECK(understood({"keys", "create", "--tenant", "a"}).key.ceiling == priority::critical);
  CHECK(understood({"keys", "revoke", "0123"}).id == "0123");
  CHECK(understood({"chat"}, {{"SOTTO_API_KEY", "sk"}}).api_key == "sk");
}

TEST_CASE("bad use has exit code 2 and is told on stderr") {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"dance"},
      {"node", "--bogus"},
      {"node", "--set"},
      {"config"},
      {"memory"},
      {"memory", "search", "--user", "u"},
      {"memory", "search", "--user", "u", "q", "-k", "0"},
      {"memory", "forget", "--yes"},
      {"memory", "list", "--limit", "-1"},
      {"chat", "--url", "ftp://h"},
      {"keys"},
      {"keys", "create"},
      {"keys", "create", "--tenant", "a/b"},
      {"keys", "create", "--tenant", "a", "--priority-ceiling", "top"},
      {"keys", "create", "--tenant", "a", "--burst", "5"},
      {"keys", "create", "--tenant", "a", "--rate", "0"},
      {"keys", "create", "--tenant", "a", "--expires", "tomorrow"},
      {"keys", "revoke"},
      {"chat", "--url", "nonsense"},
      {"emotion", "surplus"},
  };
  for (auto& arguments : wrong) {
    CAPTURE(arguments);
    auto x = refused(arguments);
    CHECK(x.code == exit_bad_use);
    CHECK(x.out.empty());
    CHECK_FALSE(x.err.empty());
  }
  CHECK_THAT(refused({"chat"}, {{"SOTTO_URL", "ftp://x"}}).err, Contains("SOTTO_URL"));
}

TEST_CASE("help and version are told on stdout with exit code 0") {
  for (auto& arguments :
       std::vector<std::vector<std::string>>{{"--help"}, {"--version"}, {"memory", "--help"}}) {
    auto x = refused(arguments);
    CHECK(x.code == exit_ok);
    CHECK_FALSE(x.out.empty());
    CHECK(x.err.empty());
  }
  CHECK_THAT(refused({"--version"}).out, Contains("sotto " SOTTO_VERSION));
  CHECK_THAT(refused({"--help"}).out, Contains("chat") && Contains("config"));
}
