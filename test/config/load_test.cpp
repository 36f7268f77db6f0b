#include "test/config/load_fixture.hpp"

#include "config/apply.hpp"
#include "config/bind.hpp"
#include "config/toml_reader.hpp"
#include "runtime/random.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::Equals;

TEST_CASE("without any source the defaults hold and a companion answers") {
  auto x = load_options({});
  CHECK(x.problems.empty());
  CHECK(x.value.profile == "standard");
  CHECK(x.value.gateway.listen == "127.0.0.1:7700");
  CHECK(x.value.store.folder == "data");
  REQUIRE(x.value.personas.size() == 1);
  CHECK(x.value.personas[0].name == "companion");
  CHECK(x.value.personas[0].llm.empty());
}

TEST_CASE("a file sets options, deployments and personas") {
  auto x = load_file(R"(
[gateway]
listen = "0.0.0.0:8080"
max_body = "2MiB"
[session]
turn_timeout = "5s"
recalled = 3
[[llm.deployments]]
name = "local"
base_url = "http://127.0.0.1:11434/v1/"
model = "llama3.1"
api_key_env = "LOCAL_KEY"
[[personas]]
name = "ada"
system_prompt = """
You are Ada."""
temperature = 1
llm = ["local"]
)");
  REQUIRE_THAT(x.problems, Equals(std::vector<std::string>{}));
  CHECK(x.value.gateway.listen == "0.0.0.0:8080");
  CHECK(x.value.gateway.max_body == 2 << 20);
  CHECK(x.value.session.turn_timeout == 5s);
  CHECK(x.value.session.recalled == 3);
  REQUIRE(x.value.llm.deployments.size() == 1);
  CHECK(x.value.llm.deployments[0].base_url == "http://127.0.0.1:11434/v1");
  REQUIRE(x.value.personas.size() == 1);
  CHECK(x.value.personas[0].system_prompt == "You are Ada.");
  CHECK(x.value.personas[0].temperature == 1.0);
}

TEST_CASE("deployments without personas are the companion's") {
  auto x = load_file("[[llm.deployments]]\nname='a'\nbase_url='http://h/v1'\n");
  REQUIRE(x.problems.empty());
  CHECK(x.value.personas[0].llm == std::vector<std::string>{"a"});
}

TEST_CASE("the store is a folder or a database, whose password no message shows") {
  auto x = load_with({"store.url=sqlite:elsewhere", "node.data=here"});
  CHECK(x.problems.empty());
  CHECK(x.value.store.folder == "elsewhere");
  CHECK(x.value.store.url.empty());
  x = load_with({"store.url=postgresql://u:secret@h/d", "store.schema=blue_2", "node.data=here"});
  CHECK(x.problems.empty());
  CHECK(x.value.store.url == "postgresql://u:secret@h/d");
  CHECK(x.value.store.schema == "blue_2");
  CHECK(to_toml(x.value, true).find("secret") == std::string::npos);
  CHECK(to_json(x.value).find("secret") == std::string::npos);
  x = load_with(
      {"store.url=mysql://u:sec/ret@h/d", "store.schema=Blue", "store.write_patience=soon"});
  REQUIRE(x.problems.size() == 3);
  for (auto& problem : x.problems)
    CHECK(problem.find("sec/ret") == std::string::npos);
}

TEST_CASE("later sources go before earlier ones") {
  written_file file{
      "profile = 'desktop'\n[node]\nworkers = 3\nseed = 5\n[session]\nrecalled = 6\n"};
  option_sources from;
  from.file = file.path.string();
  CHECK(load_options(from).value.gateway.max_connections == 64);
  from.environment = {{"SOTTO_NODE_SEED", "8"}, {"SOTTO_SESSION_RECALLED", "7"}};
  from.assignments = {"session.recalled=9", "session.recalled=10"};
  auto x = load_options(from);
  REQUIRE(x.problems.empty());
  CHECK(x.value.node.workers == 3);
  CHECK(x.value.node.seed == 8);
  CHECK(x.value.session.recalled == 10);
}

TEST_CASE("a profile is chosen by flag, variable, file and the original's switch, in this order") {
  written_file file{"profile = 'hybrid'\n"};
  option_sources from;
  from.environment["ENABLE_PRODUCTION_OPTIMIZATION"] = "True";
  CHECK(load_options(from).value.profile == "production");
  from.file = file.path.string();
  CHECK(load_options(from).value.profile == "hybrid");
  from.environment["SOTTO_PROFILE"] = "desktop";
  CHECK(load_options(from).value.profile == "desktop");
  from.profile = "standard";
  CHECK(load_options(from).value.profile == "standard");
  CHECK(load_with({}, {{"ENABLE_PRODUCTION_OPTIMIZATION", "false"}}).value.profile == "standard");
  CHECK_THAT(load_with({}, {{"ENABLE_PRODUCTION_OPTIMIZATION", "maybe"}}).problems.at(0),
             Contains("must be true or false"));
  from.profile = "desktpo";
  CHECK_THAT(load_options(from).problems.at(0), Contains("did you mean \"desktop\"?"));
}

TEST_CASE("every profile loads without problems") {
  for (auto& name : profile_names()) {
    option_sources from;
    from.profile = name;
    CHECK_THAT(load_options(from).problems, Equals(std::vector<std::string>{}));
  }
}

TEST_CASE("all problems of a file are reported with line, column, key, value and what is right") {
  auto x = load_file("[gateway]\n"
                     "listn = 'x'\n"
                     "max_body = '5 apples'\n"
                     "  idle_timeout = 10\n"
                     "[log]\n"
                     "level = 'loud'\n"
                     "[colour]\n"
                     "red = 1\n");
  CHECK_THAT(
      x.problems,
      Equals(std::vector<std::string>{
          "f:2:1: gateway.listn: unknown key; did you mean \"gateway.listen\"?",
          "f:3:1: gateway.max_body: \"5 apples\" is wrong; it must be a size such as \"64MiB\" or "
          "a "
          "number of bytes, from 1KiB to 1GiB",
          "f:4:3: gateway.idle_timeout: 10 is wrong; it must be a duration such as \"250ms\", "
          "\"10s\" or \"5m\", from 1ms to 1d",
          "f:6:1: log.level: \"loud\" is wrong; it must be one of \"trace\", \"debug\", \"info\", "
          "\"warn\", \"error\", \"off\"",
          "f:8:1: colour.red: unknown key; \"sotto config show\" lists all keys"}));
}

TEST_CASE("a syntax error is reported with its place") {
  auto x = load_file("[gateway]\nlisten = \n");
  REQUIRE(x.problems.size() == 1);
  CHECK_THAT(x.problems[0], Catch::StartsWith("f:2:") && Contains("expected value"));
}

TEST_CASE("letters outside ASCII are refused outside texts and kept within") {
  for (auto text :
       {"\xc3\xa9 = 1", "a = \xc3\xa9", "a = 1 \xd2\x80", "[\xc3\xa9]", "a\xe2\x80\xa8 = 1",
        "a =\xc2\xa0"
        "1"})
    CHECK(read_toml(text).problems.size() == 1);
  CHECK(read_toml("b = 1\na \xc3\xa9").problems.at(0).line == 2);
  CHECK(read_toml("b = 1\na \xc3\xa9").problems.at(0).column == 3);
  for (auto text :
       {"a = '\xc3\xa9' # \xc3\xa9",
        "\xef\xbb\xbf"
        "a = \"\xc3\xa9\"",
        "a = \"\"\"\n\xc3\xa9\"\"\"", "'b#' = 1 # '\na = '\xc3\xa9'",
        "a = '\xc3\xa9'\nb = \"\\\"\xc3\xa9\"", "b = \"\"\"x\"\"\"\"\"\na = '\xc3\xa9'"}) {
    auto kept = read_toml(text);
    REQUIRE(kept.problems.empty());
    CHECK(std::any_of(kept.entries.begin(), kept.entries.end(), [](auto& x) {
      return x.key == "a" && std::get<std::string>(x.value) == "\xc3\xa9";
    }));
  }
}

TEST_CASE("a table without a proper name is refused") {
  for (auto text : {"[=]", "[]", "[[=]]", "[a.]", "[", "[a]]", "[a", "= 1"})
    CHECK(read_toml(text).problems.size() == 1);
}

TEST_CASE("a value in the place of a table is explained") {
  CHECK_THAT(load_file("gateway = 5\n").problems.at(0), Contains("write [gateway]"));
  CHECK_THAT(load_file("personas = 'x'\n").problems.at(0), Contains("[[personas]]"));
  CHECK_THAT(load_file("[[gateway]]\nlisten='x'\n").problems.at(0), Contains("write [gateway]"));
}

TEST_CASE("deployments and personas are checked together") {
  auto x = load_file(R"([[llm.deployments]]
name = "a"
base_url = "ftp://h"
[[llm.deployments]]
name = "a"
base_url = "http://h/v1"
api_key_env = "K"
api_key_file = "k"
[[llm.deployments]]
base_ur = "http://h/v1"
[[personas]]
name = "p/q"
llm = ["b"]
[[personas]]
name = "p"
llm = ["apple"]
[[personas]]
name = "p"
)");
  std::string all;
  for (auto& p : x.problems)
    all += p + "\n";
  CHECK_THAT(all, Contains("f:3:1: llm.deployments[0].base_url: \"ftp://h\" is wrong"));
  CHECK_THAT(all, Contains("f:4:1: llm.deployments[1]: the name \"a\" is taken"));
  CHECK_THAT(all, Contains("\"api_key_env\" and \"api_key_file\" are both given"));
  CHECK_THAT(all, Contains("f:10:1: llm.deployments[2].base_ur: unknown key; did you mean "
                           "\"base_url\"?"));
  CHECK_THAT(all, Contains("f:9:1: llm.deployments[2]: \"name\" is missing"));
  CHECK_THAT(all, Contains("personas[0].name: \"p/q\" is wrong"));
  CHECK_THAT(all, Contains("personas[0].llm: there is no deployment \"b\"; did you mean \"a\"?"));
  CHECK_THAT(all, Contains("personas[1].llm: there is no deployment \"apple\"; add it"));
  CHECK_THAT(all, Contains("personas[2]: the name \"p\" is taken"));
  CHECK(x.problems.size() == 10);
}

TEST_CASE("the port for C++ frontends needs certificates, its own or the cluster's") {
  CHECK(load_with({}).value.native.listen.empty());
  auto none = load_with({"native.listen=127.0.0.1:0"});
  REQUIRE(none.problems.size() == 1);
  CHECK_THAT(none.problems[0], Contains("native.certificate, native.key, native.ca"));
  CHECK(load_with({"native.listen=127.0.0.1:0", "native.key=k"}).problems.size() == 1);
  auto cluster = load_with(
      {"native.listen=127.0.0.1:0", "cluster.certificate=c", "cluster.key=k", "cluster.ca=a"});
  REQUIRE(cluster.problems.empty());
  CHECK(cluster.value.native.certificate == "c");
  CHECK(cluster.value.native.ca == "a");
  auto own = load_with({"native.listen=127.0.0.1:0", "native.certificate=x", "native.key=y",
                        "native.ca=z", "cluster.certificate=c"});
  REQUIRE(own.problems.empty());
  CHECK(own.value.native.certificate == "x");
  CHECK_THAT(load_with({"native.listen=nowhere"}).problems.at(0), Contains("HOST:PORT"));
}

TEST_CASE("a node of a cluster has the roles that it is given") {
  std::vector<std::string> in_cluster{"cluster.name=n1", "cluster.certificate=c", "cluster.key=k",
                                      "cluster.ca=a", "store.url=postgresql://db/sotto"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), in_cluster.begin(), in_cluster.end());
    return load_with(more);
  };
  auto all = with({});
  REQUIRE(all.problems.empty());
  for (auto* role : {"gateway", "worker", "llm"})
    CHECK(has_role(all.value.cluster, role));
  auto worker = with({"cluster.roles=[\"worker\"]"});
  REQUIRE(worker.problems.empty());
  CHECK(has_role(worker.value.cluster, "worker"));
  CHECK_FALSE(has_role(worker.value.cluster, "llm"));
  CHECK_FALSE(has_role(worker.value.cluster, "gateway"));
  CHECK_THAT(with({"cluster.roles=[\"cook\"]"}).problems.at(0), Contains("gateway, worker, llm"));
  auto native = with({"cluster.roles=[\"worker\", \"llm\"]", "native.listen=127.0.0.1:0"});
  REQUIRE(native.problems.size() == 1);
  CHECK_THAT(native.problems[0], Contains("native.listen"));
  // A node alone does everything, whatever stands there.
  auto alone = load_with({"cluster.roles=[\"worker\"]", "native.listen=127.0.0.1:0",
                          "native.certificate=x", "native.key=y", "native.ca=z"});
  REQUIRE(alone.problems.empty());
  CHECK(has_role(alone.value.cluster, "llm"));
}

TEST_CASE("secrets are neither shown nor repeated in messages") {
  auto x = load_file("[[llm.deployments]]\nname = 'a'\nbase_url = 'https://u:hunter2@h/v1'\n"
                     "api_key = 'sk-hunter2'\napi_key_env = 'sk-hunter2'\n");
  std::string all;
  for (auto& p : x.problems)
    all += p + "\n";
  CHECK(x.problems.size() == 3);
  CHECK_THAT(all, !Contains("hunter2"));
  CHECK_THAT(all, Contains("api_key_env"));
  CHECK_THAT(to_toml(x.value, true), !Contains("hunter2"));
  CHECK_THAT(to_json(x.value), !Contains("hunter2"));
}

TEST_CASE("a file that cannot be read is named") {
  option_sources from;
  from.file = "/nonexistent/sotto.toml";
  CHECK_THAT(load_options(from).problems.at(0),
             Equals("/nonexistent/sotto.toml: cannot be read: No such file or directory"));
  from.file = "/";
  CHECK_THAT(load_options(from).problems.at(0), Contains("is a folder"));
}

TEST_CASE("texts that are too long or too deep are refused") {
  CHECK_THAT(load_file(std::string(2 << 20, '\n')).problems.at(0), Contains("1 MiB"));
  CHECK_THAT(load_file("a = '" + std::string(20'000, 'x') + "'").problems.at(0),
             Contains("16 KiB"));
  std::string deep = "a";
  for (int i = 0; i < 8000; ++i)
    deep += ".a";
  CHECK_THAT(load_file(deep + " = 1").problems.at(0), Contains("unknown key"));
  CHECK_THAT(load_file("a = " + std::string(8000, '[')).problems.at(0), Contains("depth"));
}

TEST_CASE("random bytes as a file or an assignment never crash and never pass unseen") {
  splitmix random{11};
  constexpr std::string_view pieces[] = {
      "[",  "]", "=",   "\"", "'",          "\n",      "a",      "gateway",
      ".",  "{", "}",   ",",  "1",          "1e9",     "true",   "listen",
      "\\", "#", "[[",  "]]", "names",      "llm.",    "\"\"\"", "\xff",
      "\0", "é", "nan", "-",  "2020-01-01", "personas"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (auto n = random() % 60; n > 0; --n)
      text += random() % 4 == 0 ? std::string(1, static_cast<char>(random()))
                                : std::string{pieces[random() % std::size(pieces)]};
    option_assembler out;
    out.apply_text("f", text);
    out.apply_plain("--set", "gateway.listen", text);
    out.apply_plain("--set", "llm.deployments", text);
    out.apply_plain("--set", text, text);
    // A random key is never one of ours.
    REQUIRE_FALSE(out.problems.empty());
    out.finish();
    for (auto& s : settings())
      REQUIRE_FALSE(s.show(out.value).empty());
    load_with({text});
  }
}
