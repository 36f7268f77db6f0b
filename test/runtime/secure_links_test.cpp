#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "runtime/certificates.hpp"
#include "runtime/secure_links.hpp"

using namespace sotto;

namespace {

class folder {
public:
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sotto-tls-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~folder() { std::filesystem::remove_all(path_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream{path_ / name} << text;
    return path_ / name;
  }

private:
  std::filesystem::path path_;
};

struct files {
  files() {
    write(*make_certificate(authority, "node-1", {"127.0.0.1", "node.example"}, 30));
    with.ca = to.write("ca.pem", authority.certificate);
  }

  void write(const certificate_pair& x) {
    with.certificate = to.write("node.pem", x.certificate);
    with.key = to.write("node.key", x.key);
  }

  std::string wrong() const { return check_link_files(with).message; }

  folder to;
  certificate_pair authority = *make_authority("a cluster", 30);
  link_options with;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("certificates that the authority made are taken", "[tls]") {
  files x;
  CHECK(x.wrong() == "");
}

TEST_CASE("what is wrong with the files of links is said before anything starts", "[tls]") {
  files x;
  SECTION("none is set") {
    x.with = {};
    CHECK(has(x.wrong(), "cluster.certificate is not set"));
  }
  SECTION("a file is missing") {
    x.with.ca += ".gone";
    CHECK(has(x.wrong(), "cluster.ca"));
    CHECK(has(x.wrong(), "no such file"));
  }
  SECTION("no PEM") {
    x.with.certificate = x.to.write("node.pem", "certainly not");
    CHECK(has(x.wrong(), "no certificate in PEM"));
    x.write(*make_certificate(x.authority, "node-1", {}, 30));
    x.with.key = x.to.write("node.key", "");
    CHECK(has(x.wrong(), "no private key in PEM"));
    x.write(*make_certificate(x.authority, "node-1", {}, 30));
    x.with.ca = x.to.write("ca.pem", "\0\0");
    CHECK(has(x.wrong(), "cluster.ca"));
  }
  SECTION("another key") {
    x.with.key = x.to.write("node.key", make_certificate(x.authority, "node-1", {}, 30)->key);
    CHECK(has(x.wrong(), "not the key of the certificate"));
  }
  SECTION("another authority") {
    x.with.ca = x.to.write("ca.pem", make_authority("a cluster", 30)->certificate);
    CHECK(has(x.wrong(), "not signed by the authority"));
  }
  SECTION("an authority that may not sign") {
    x.with.ca = x.to.write("ca.pem", make_certificate(x.authority, "x", {}, 30)->certificate);
    CHECK(has(x.wrong(), "may not sign"));
  }
  SECTION("a certificate that expired") {
    x.write(*make_certificate(x.authority, "node-1", {}, 0));
    CHECK(has(x.wrong(), "expired"));
  }
}

TEST_CASE("an authority makes certificates with its own key only", "[tls]") {
  auto one = *make_authority("one", 1), other = *make_authority("other", 1);
  auto made = make_certificate({one.certificate, other.key}, "node", {}, 1);
  REQUIRE(!made);
  CHECK(to_failure(made.error()).code == ec::invalid);
}

TEST_CASE("OpenSSL's error queue is cleared for shared libraries too", "[tls]") {
  CHECK(clears_openssl_errors());
}

TEST_CASE("addresses of cluster ports are read", "[tls]") {
  CHECK(parse_link_address("127.0.0.1:7800")->second == 7800);
  CHECK(parse_link_address("[::1]:0")->first == "::1");
  CHECK(parse_link_address("node-b.example:1")->first == "node-b.example");
  for (auto x : {"", ":1", "host", "host:", "host:x", "host:70000", "host:1x"})
    CHECK(!parse_link_address(x));
}
