#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/stat.h>

#include "nodes/cli.hpp"
#include "nodes/cli_commands.hpp"
#include "runtime/secure_links.hpp"

using namespace sotto;
namespace fs = std::filesystem;

namespace {

struct folder {
  folder() {
    std::string name = (fs::temp_directory_path() / "sotto-certs-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~folder() { fs::remove_all(path); }

  int certs(const std::vector<std::string>& nodes) const {
    cli_call call;
    call.folder = path;
    call.nodes = nodes;
    call.json = true;
    return cluster_certs_command(call);
  }

  link_options files(const std::string& node) const {
    link_options x;
    x.certificate = path / (node + ".pem");
    x.key = path / (node + ".key");
    x.ca = path / "ca.pem";
    return x;
  }

  static std::string text(const fs::path& file) {
    std::ostringstream out;
    out << std::ifstream{file}.rdbuf();
    return out.str();
  }

  fs::path path;
};

unsigned mode(const fs::path& file) {
  struct stat x {};
  REQUIRE(stat(file.c_str(), &x) == 0);
  return x.st_mode & 0777;
}

} // namespace

TEST_CASE("cluster certs makes a frontend's certificate, which is no node's", "[certs]") {
  folder f;
  cli_call call;
  call.folder = f.path;
  call.frontends = {"bot"};
  call.tenant = "acme";
  call.json = true;
  REQUIRE(cluster_certs_command(call) == exit_ok);
  auto kept = folder::text(f.path / "bot.pem");
  CHECK_FALSE(check_link_files(f.files("bot"), link_end::frontend));
  CHECK(check_link_files(f.files("bot")).message.find("servers and clients") != std::string::npos);
  CHECK(mode(f.path / "bot.key") == 0600);
  REQUIRE(cluster_certs_command(call) == exit_ok);
  CHECK(folder::text(f.path / "bot.pem") == kept);
  // The same name cannot be both.
  CHECK(f.certs({"bot"}) == exit_failure);
}

TEST_CASE("cluster certs makes an authority and a certificate a node, once", "[certs]") {
  folder f;
  REQUIRE(f.certs({"node-1", "node-2"}) == exit_ok);
  for (auto node : {"node-1", "node-2"}) {
    CHECK(check_link_files(f.files(node)).message == "");
    CHECK(mode(f.files(node).key) == 0600);
  }
  CHECK(mode(f.path / "authority" / "ca.key") == 0600);
  CHECK(mode(f.path / "authority") == 0700);
  auto ca = folder::text(f.path / "ca.pem"), key = folder::text(f.files("node-1").key);
  REQUIRE(f.certs({"node-1", "node-3"}) == exit_ok);
  CHECK(folder::text(f.path / "ca.pem") == ca);
  CHECK(folder::text(f.files("node-1").key) == key);
  CHECK(!check_link_files(f.files("node-3")));
}

TEST_CASE("cluster certs overwrites nothing that it did not make", "[certs]") {
  folder f, other;
  REQUIRE(f.certs({}) == exit_ok);
  REQUIRE(other.certs({"node-1"}) == exit_ok);
  fs::copy_file(other.files("node-1").key, f.files("node-1").key);
  auto key = folder::text(f.files("node-1").key);
  CHECK(f.certs({"node-1"}) == exit_failure); // a key without its certificate
  fs::copy_file(other.files("node-1").certificate, f.files("node-1").certificate);
  CHECK(f.certs({"node-1"}) == exit_failure); // of another authority
  CHECK(folder::text(f.files("node-1").key) == key);
  fs::remove(f.path / "authority" / "ca.key");
  CHECK(f.certs({"node-2"}) == exit_failure); // the authority's key is somewhere else
  CHECK(!fs::exists(f.files("node-2").key));
}

TEST_CASE("names that cannot be files or hosts are refused by cluster certs", "[certs]") {
  for (auto& node : {"../x", "ca", "", "-x", "a b", "a,b"})
    CHECK(std::holds_alternative<cli_exit>(
        parse_cli({"cluster", "certs", "--dir", "d", "--node", node}, {})));
  CHECK(std::holds_alternative<cli_exit>(
      parse_cli({"cluster", "certs", "--dir", "d", "--host", "a,IP:1.2.3.4"}, {})));
  auto parsed = parse_cli({"cluster", "certs", "--dir", "d", "--node", "a", "b", "--node", "c",
                           "--host", "10.0.0.1", "--days", "90"},
                          {});
  auto* call = std::get_if<cli_call>(&parsed);
  REQUIRE(call);
  CHECK(call->nodes == std::vector<std::string>{"a", "b", "c"});
  CHECK(call->hosts == std::vector<std::string>{"10.0.0.1"});
  CHECK(call->days == 90);
}
