// Two nodes in one process, each with an actor system of its own, over real TLS on loopback.
#include <catch2/catch.hpp>

#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runtime/process_figures.hpp"
#include "test/actors/link_process.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// Two linked nodes; `b` owns everything.
struct pair_of_nodes {
  explicit pair_of_nodes(const certificate_folder& files)
      : a("a", files.options("a")), b("b", files.options("b")) {
    b.owns = true;
    a.know({b.member()});
    b.know({a.member()});
    a.all_live_at("b");
  }
  linked_node a, b;
};

/// A stranger's socket to a cluster port.
class stranger {
public:
  explicit stranger(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{5, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~stranger() { ::close(socket_); }
  stranger(const stranger&) = delete;
  stranger& operator=(const stranger&) = delete;

  bool connected() const { return connected_; }
  int socket() const { return socket_; }

  void send(const std::string& bytes) const {
    std::ignore = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  /// What comes until the other closes.
  std::string rest() const {
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(socket_, buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<size_t>(n));
    return all;
  }

private:
  int socket_;
  bool connected_ = false;
};

turn_request turn(std::string text) {
  turn_request x;
  x.owner = {"default", "ada"};
  x.conversation = "talk";
  x.text = std::move(text);
  x.stream = true;
  return x;
}

} // namespace

TEST_CASE("a turn and a request go from one actor system to another over TLS", "[link][tls]") {
  certificate_folder files;
  pair_of_nodes nodes{files};
  CHECK(nodes.a.recall("where?") == "where?");
  auto to = std::make_shared<heard>();
  auto client = nodes.a.system->spawn(listening_client, to);
  caf::anon_send(nodes.a.route, context{}, atom::say_v, client, uint64_t{9}, turn("hello"));
  REQUIRE(comes([&] { return to->reply(9) == "hello"; }));
  CHECK(to->streams[9] == "hello");
  CHECK(nodes.b.world->said == 1);
  CHECK(nodes.a.linked());
  CHECK(nodes.b.linked());
  caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
}

TEST_CASE("strangers at the cluster port harm no link", "[link][tls]") {
  certificate_folder files;
  pair_of_nodes nodes{files};
  REQUIRE(nodes.a.recall("before") == "before");
  // A turn that runs: were the link lost, `b` would be told.
  auto to = std::make_shared<heard>();
  auto client = nodes.a.system->spawn(listening_client, to);
  caf::anon_send(nodes.a.route, context{}, atom::say_v, client, uint64_t{1}, turn("silence"));
  REQUIRE(comes([&] { return nodes.b.world->said == 1; }));
  splitmix random{5};
  std::string noise(2000, '\0');
  for (auto port : {nodes.a.port, nodes.b.port})
    for (int i = 0; i < 20; ++i) {
      stranger x{port};
      REQUIRE(x.connected());
      switch (i % 4) {
      case 0:
        for (auto& c : noise)
          c = static_cast<char>(random());
        x.send(noise);
        break;
      case 1:
        x.send(std::string(32, '\0')); // in plain text this would end the node
        break;
      case 2:
        x.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        break;
      default: // a handshake that begins well and turns to nonsense
        x.send(std::string{"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff", 10} + noise);
      }
      CHECK(x.rest().find("HTTP") == std::string::npos);
      CHECK(nodes.a.recall("still") == "still");
    }
  CHECK(nodes.b.world->lost == 0);
  CHECK(to->count() == 0);
  CHECK(nodes.a.linked());
  caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
}

TEST_CASE("a client without a certificate gets nothing", "[link][tls]") {
  certificate_folder files;
  linked_node b{"b", files.options("b")};
  stranger x{b.port};
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                            SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context.get()), SSL_free};
  SSL_set_fd(ssl.get(), x.socket());
  SSL_connect(ssl.get()); // with TLS 1.3 the refusal comes with the first read
  char buffer[64];
  CHECK(SSL_read(ssl.get(), buffer, sizeof buffer) <= 0);
}

TEST_CASE("a frontend's certificate opens no cluster port, and does not pass for a node's",
          "[link][tls]") {
  certificate_folder files;
  linked_node b{"b", files.options("b")};
  files.issue("a", files.authority);
  auto bot = *make_frontend_certificate(files.authority, "bot", "", 30);
  files.write("bot.pem", bot.certificate);
  files.write("bot.key", bot.key);
  // What the port says to who comes with these files.
  auto greeted = [&](const std::string& name) {
    stranger x{b.port};
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                              SSL_CTX_free};
    SSL_CTX_use_certificate_file(context.get(), files.file(name + ".pem").c_str(),
                                 SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), files.file(name + ".key").c_str(), SSL_FILETYPE_PEM);
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context.get()), SSL_free};
    SSL_set_fd(ssl.get(), x.socket());
    SSL_connect(ssl.get());
    char buffer[64];
    return SSL_read(ssl.get(), buffer, sizeof buffer) > 0;
  };
  CHECK(greeted("a"));
  CHECK_FALSE(greeted("bot"));
  CHECK(greeted("a"));
  link_options with;
  with.certificate = files.file("bot.pem");
  with.key = files.file("bot.key");
  with.ca = files.file("ca.pem");
  caf::actor_system_config config;
  CHECK(enable_links(config, with).message.find("servers and clients") != std::string::npos);
  CHECK_FALSE(check_link_files(with, link_end::frontend));
  with.certificate = files.file("a.pem");
  with.key = files.file("a.key");
  CHECK(check_link_files(with, link_end::frontend).message.find("a node's") != std::string::npos);
}

TEST_CASE("a node with a certificate of another authority is refused, and the others stay",
          "[link][tls]") {
  certificate_folder files, others;
  pair_of_nodes nodes{files};
  REQUIRE(nodes.a.recall("before") == "before");
  auto with = others.options("A"); // comes before the others: it is the one that connects
  linked_node foreign{"A", with};
  foreign.know({nodes.b.member()});
  REQUIRE(comes([&] { return !foreign.why().empty(); }));
  CHECK(foreign.why().find("authority") != std::string::npos);
  CHECK(!foreign.linked());
  CHECK(nodes.a.recall("after") == "after");
  CHECK(nodes.b.world->lost == 0);
}

TEST_CASE("a host that is not there delays no other", "[link][tls]") {
  certificate_folder files;
  pair_of_nodes nodes{files};
  // An address of a network that leads nowhere, and a port where nobody listens.
  nodes.a.know({{"x", "192.0.2.1", 9}, {"y", "127.0.0.1", 1}, nodes.b.member()});
  CHECK(nodes.a.recall("quick", 5s) == "quick");
  REQUIRE(comes([&] {
    auto all = nodes.a.states();
    return all.size() == 3 && !all[2].why.empty();
  }));
}

TEST_CASE("a node that starts again is linked again", "[link][tls]") {
  certificate_folder files;
  linked_node a{"a", files.options("a")};
  auto with = files.options("b");
  for (int i = 0; i < 2; ++i) {
    linked_node b{"b", with};
    b.owns = true;
    a.know({b.member()});
    a.all_live_at("b");
    CHECK(a.recall("round") == "round");
  }
}

TEST_CASE("a peer that is stopped costs a bounded amount of memory", "[link][tls]") {
  certificate_folder files;
  auto with = files.options("a");
  with.window_bytes = 1 << 20;
  with.max_waiting_bytes = 8 << 20;
  with.hold = 4s;
  auto of_b = files.options("b");
  int out[2], in[2];
  REQUIRE(pipe(out) == 0);
  REQUIRE(pipe(in) == 0);
  auto child = fork(); // no thread runs yet
  REQUIRE(child >= 0);
  if (child == 0) {
    {
      linked_node b{"b", of_b};
      b.owns = true;
      std::ignore = ::write(out[1], &b.port, sizeof b.port);
      char end = 0;
      std::ignore = ::read(in[0], &end, 1);
    }
    _exit(0);
  }
  uint16_t port = 0;
  REQUIRE(::read(out[0], &port, sizeof port) == sizeof port);
  {
    linked_node a{"a", with};
    a.know({{"b", "127.0.0.1", port}});
    a.all_live_at("b");
    REQUIRE(a.recall("before") == "before");
    auto to = std::make_shared<heard>();
    auto client = a.system->spawn(listening_client, to);
    auto before = read_process_figures().resident;
    kill(child, SIGSTOP);
    constexpr uint64_t turns = 20'000;
    for (uint64_t i = 0; i < turns; ++i) {
      caf::anon_send(a.route, context{}, atom::say_v, client, i, turn(std::string(5000, 'x')));
      if (i % 500 == 499 && i > 4000)
        comes([&] { return to->count() + 4000 > i; });
    }
    // All are answered: refused at once, or given up when the peer was lost or held too long.
    CHECK(comes([&] { return to->count() == turns; }));
    auto grown =
        read_process_figures().resident - std::min(before, read_process_figures().resident);
    CHECK(grown < uint64_t{100} << 20);
    kill(child, SIGCONT);
    CHECK(comes([&] { return a.recall("after", 5s) == "after"; }));
    caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
  }
  std::ignore = ::write(in[1], "x", 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  for (auto x : {out[0], out[1], in[0], in[1]})
    ::close(x);
}
