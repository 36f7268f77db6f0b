// A node's port for frontends in C++, over real TLS on loopback.
#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "test/nodes/native_node.hpp"

using namespace sotto;
using namespace sotto::test;

TEST_CASE("only frontends' certificates of the cluster's authority open the port",
          "[native][tls]") {
  certificate_folder files, others;
  scripted_node node{files, "n1"};
  auto with = bot(files, {node.address()});
  SECTION("a node's is refused, and it is said why") {
    with.certificate = files.file("n1.pem");
    with.key = files.file("n1.key");
    auto reply = open(with)->say(turn());
    CHECK_THAT(reply.why.message, Catch::Contains("a node's certificate"));
  }
  SECTION("another authority's is not let in") {
    auto foreign = bot(others, {});
    with.certificate = foreign.certificate;
    with.key = foreign.key;
    with.hold = 500ms; // nobody says why
    auto reply = open(with)->say(turn());
    CHECK(reply.why.code == ec::unavailable);
  }
  SECTION("a frontend cannot be taken for a node") {
    auto as_node = port_of(files, "n2");
    as_node.certificate = with.certificate;
    as_node.key = with.key;
    auto read = native_server::read_files(as_node);
    REQUIRE_FALSE(read);
    CHECK_THAT(to_failure(read.error()).message, Catch::Contains("native.certificate"));
  }
  CHECK(node.script->all().empty());
  auto files_of = bot(files, {node.address()});
  files_of.ca = files.file("gone.pem");
  CHECK(client::open(files_of).why.code == ec::invalid);
}

TEST_CASE("strangers at the port harm no frontend", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  auto with = open(bot(files, {node.address()}));
  REQUIRE(with->say(turn()));
  auto address = node.address();
  auto port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  std::mt19937 random{7};
  for (int i = 0; i < 12; ++i) {
    auto socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    std::string noise(i % 3 == 0 ? 5 : 2000, '\0');
    for (auto& c : noise)
      c = static_cast<char>(i % 3 == 1 ? 0 : random());
    std::ignore = ::send(socket, noise.data(), noise.size(), MSG_NOSIGNAL);
    CHECK(with->say(turn()));
    ::close(socket);
  }
  CHECK(node.script->all().size() == 13);
}
