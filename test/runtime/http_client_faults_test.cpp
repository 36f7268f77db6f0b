#include "test/runtime/http_probe.hpp"

#include "runtime/random.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

std::string certificate_file(const scratch& in, const certificate& x) {
  auto path = (in.path / "ca.pem").string();
  std::ofstream{path} << x.chain;
  return path;
}

} // namespace

TEST_CASE("a server that is not there fails the post") {
  std::string port;
  {
    http_peer gone{always("")};
    port = gone.port();
  }
  client c{url{false, "127.0.0.1", port, ""}};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK_THAT(x.why.message, Contains("could not connect to 127.0.0.1:" + port));
  CHECK(x.heads == 0);
}

TEST_CASE("a host that does not exist fails the post") {
  client c{url{false, "no-such-host.invalid", "80", ""}};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK_THAT(x.why.message, Contains("could not find no-such-host.invalid"));
}

TEST_CASE("a server that is silent fails the post as late, and can be asked again") {
  std::atomic<int> served = 0;
  auto begun = GENERATE(as<std::string>{}, "", "HTTP/1.1 200 OK\r\nContent-Le");
  http_peer server{[&](http_peer::socket& x) {
    while (x.request())
      x.send(++served == 1 ? begun : with_length("now"));
  }};
  client c{server};
  http_post impatient;
  impatient.header_timeout = 50ms;
  auto x = c.ask(impatient);
  CHECK(x.why.code == ec::timeout);
  CHECK_THAT(x.why.message, Contains("no answer in time"));
  CHECK(c.ask().body == "now");
}

TEST_CASE("a body that stops for too long fails the post as late") {
  http_peer server{[](http_peer::socket& x) {
    x.request();
    x.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    x.until_closed();
  }};
  client c{server};
  http_post impatient;
  impatient.idle_timeout = 50ms;
  auto x = c.ask(impatient);
  CHECK(x.why.code == ec::timeout);
  CHECK(x.heads == 1);
  CHECK(x.body == "part");
}

TEST_CASE("a connection cut in the body fails the post after what had come") {
  auto answer = GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npart");
  http_peer server{once(answer)};
  client c{server};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK(x.heads == 1);
  CHECK(x.body == "part");
  CHECK(server.connections() == 1);
}

TEST_CASE("what is no HTTP fails the post") {
  auto answer =
      GENERATE(as<std::string>{}, "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
               "\r\n\r\n", std::string(100, '\0'), "HTTP/1.1 abc\r\n\r\n",
               "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nbody\r\n0\r\n\r\n");
  http_peer server{once(answer)};
  client c{server};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK_FALSE(x.why.message.empty());
}

TEST_CASE("random and mutated answers end or fail, once") {
  splitmix random{11};
  const auto whole =
      std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n"
                  "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"};
  std::string answer;
  http_peer server{[&](http_peer::socket& x) {
    if (x.request())
      x.send(answer);
  }};
  client c{server};
  for (int i = 0; i < 400; ++i) {
    if (i % 4 == 0) {
      answer.assign(random() % 300, ' ');
      for (auto& byte : answer)
        byte = static_cast<char>(random());
    } else {
      answer = whole;
      for (auto n = 1 + random() % 3; n > 0; --n)
        answer[random() % answer.size()] = static_cast<char>(random());
    }
    auto x = c.ask();
    REQUIRE(x.ends == 1);
    REQUIRE((!x.why || !x.why.message.empty()));
  }
}

TEST_CASE("an answer that is too large fails the post") {
  constexpr size_t limit = 64 << 20;
  SECTION("head") {
    http_peer server{once("HTTP/1.1 200 OK\r\nX-Long: " + std::string(80 << 10, 'x'))};
    client c{server};
    CHECK(c.ask().why.code == ec::upstream_failed);
  }
  SECTION("length") {
    http_peer server{once("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx")};
    client c{server};
    auto x = c.ask();
    CHECK(x.why.code == ec::upstream_failed);
    CHECK(x.body.empty());
  }
  SECTION("chunks") {
    http_peer server{[](http_peer::socket& x) {
      x.request();
      x.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      auto chunk = fmt::format("{:x}\r\n{}\r\n", 1 << 20, std::string(1 << 20, 'x'));
      for (int i = 0; i < 66 && x.send(chunk); ++i)
        ;
    }};
    client c{server};
    auto x = c.ask();
    CHECK(x.why.code == ec::upstream_failed);
    CHECK(x.body.size() <= limit);
    CHECK(x.body.size() > limit - (2 << 20));
  }
}

// -- TLS ----------------------------------------------------------------------------------------

TEST_CASE("a certificate of ca_file is trusted for its names") {
  auto own = make_certificate("DNS:localhost,IP:127.0.0.1");
  scratch folder;
  http_peer server{always(with_length("safe")), own};
  for (auto host : {"localhost", "127.0.0.1"}) {
    client c{url{true, host, server.port(), ""}, certificate_file(folder, own)};
    for (int i = 0; i < 3; ++i) {
      auto x = c.ask();
      CHECK(x.why.message == "");
      CHECK(x.body == "safe");
    }
  }
  CHECK(server.connections() == 2);
}

TEST_CASE("a certificate for another name or of a stranger is refused before anything is sent") {
  auto own = make_certificate("DNS:localhost");
  auto other = make_certificate("DNS:localhost");
  scratch folder;
  std::atomic<int> seen = 0;
  http_peer server{[&](http_peer::socket& x) { seen += x.request() ? 1 : 0; }, own};
  auto file = certificate_file(folder, own);
  client wrong_name{url{true, "127.0.0.1", server.port(), ""}, file};
  client system_only{url{true, "localhost", server.port(), ""}};
  auto others = certificate_file(folder, other);
  client wrong_authority{url{true, "localhost", server.port(), ""}, others};
  for (auto* c : {&wrong_name, &system_only, &wrong_authority}) {
    auto x = c->ask();
    CHECK(x.why.code == ec::upstream_failed);
    CHECK_THAT(x.why.message, Contains("make a trusted TLS connection to"));
    CHECK(x.heads == 0);
  }
  CHECK(seen == 0);
}

TEST_CASE("a server that speaks no TLS fails the post") {
  http_peer server{[](http_peer::socket& x) { x.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }};
  client c{url{true, "localhost", server.port(), ""}};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK_THAT(x.why.message, Contains("TLS"));
}

TEST_CASE("a ca_file that cannot be read is told at once") {
  reactor io;
  auto made = make_http_link(io, url{true, "localhost", "443", ""}, "/nowhere/ca.pem");
  REQUIRE_FALSE(made);
  auto why = to_failure(made.error());
  CHECK(why.code == ec::invalid);
  CHECK(why.param == "ca_file");
  CHECK_THAT(why.message, Contains("/nowhere/ca.pem"));
}
