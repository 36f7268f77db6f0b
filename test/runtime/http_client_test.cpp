#include "test/runtime/http_probe.hpp"

using namespace sotto;
using namespace sotto::test;
using Catch::Contains;

TEST_CASE("a post is sent as it should be, and its answer told") {
  std::string seen;
  http_peer server{[&](http_peer::socket& x) {
    seen = x.request().value_or("");
    x.send("HTTP/1.1 429 Slow Down\r\nContent-Type: application/json\r\nRetry-After: 7\r\n"
           "Content-Length: 2\r\n\r\n{}");
    x.until_closed();
  }};
  client c{server};
  http_post ask;
  ask.path = "/embeddings";
  ask.body = "{\"a\":1}";
  ask.authorization = "Bearer secret";
  auto x = c.ask(ask);
  CHECK_FALSE(x.why);
  CHECK(x.head.status == 429);
  CHECK(x.head.content_type == "application/json");
  CHECK(x.head.retry_after == 7);
  CHECK(x.heads == 1);
  CHECK(x.body == "{}");
  CHECK_THAT(seen, Catch::StartsWith("POST /v1/embeddings HTTP/1.1\r\n")
                       && Contains("Host: 127.0.0.1:" + server.port() + "\r\n")
                       && Contains("Authorization: Bearer secret\r\n")
                       && Contains("Content-Type: application/json\r\n")
                       && Catch::EndsWith("\r\n\r\n{\"a\":1}"));
}

TEST_CASE("a body comes whole, however it is delimited") {
  auto answer = GENERATE(
      as<std::string>{}, with_length("hello world"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world",
      "HTTP/1.0 200 OK\r\n\r\nhello world");
  http_peer server{once(answer)};
  client c{server};
  auto x = c.ask();
  CHECK(x.why.message == "");
  CHECK(x.body == "hello world");
}

TEST_CASE("an answer without a body ends") {
  http_peer server{always("HTTP/1.1 204 No Content\r\n\r\n")};
  client c{server};
  auto x = c.ask();
  CHECK_FALSE(x.why);
  CHECK(x.head.status == 204);
  CHECK(x.pieces == 0);
}

TEST_CASE("pieces of a stream are told as they come") {
  std::promise<void> first;
  http_peer server{[&](http_peer::socket& x) {
    x.request();
    x.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
           "\r\n9\r\ndata: 1\n\n\r\n");
    first.get_future().wait(); // goes on only when the client has seen the first event
    x.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    x.until_closed();
  }};
  client c{server};
  auto told = false;
  auto x = c.ask({}, [&] {
    if (!std::exchange(told, true))
      first.set_value();
  });
  CHECK_FALSE(x.why);
  CHECK(x.body == "data: 1\n\ndata: 2\n\n");
  CHECK(x.pieces >= 2);
  CHECK(x.head.content_type == "text/event-stream");
}

TEST_CASE("interim answers are passed over") {
  http_peer server{always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                          + with_length("the answer"))};
  client c{server};
  for (int i = 0; i < 2; ++i) {
    auto x = c.ask();
    CHECK_FALSE(x.why);
    CHECK(x.head.status == 200);
    CHECK(x.heads == 1);
    CHECK(x.body == "the answer");
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("interim answers without end are a failure") {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "HTTP/1.1 100 Continue\r\n\r\n";
  http_peer server{once(many + with_length("x"))};
  client c{server};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK(x.heads == 0);
}

// -- one connection -----------------------------------------------------------------------------

TEST_CASE("a connection is kept alive") {
  http_peer server{always(with_length("ok"))};
  client c{server};
  for (int i = 0; i < 20; ++i)
    CHECK(c.ask().body == "ok");
  CHECK(server.connections() == 1);
}

TEST_CASE("a connection that the server closed while idle is opened again") {
  http_peer server{once(with_length("ok"))};
  client c{server};
  for (int i = 0; i < 3; ++i) {
    auto x = c.ask();
    CHECK_FALSE(x.why);
    CHECK(x.body == "ok");
  }
  CHECK(server.connections() == 3);
}

TEST_CASE("a server that closes without an answer is asked once") {
  http_peer server{[](http_peer::socket& x) { x.request(); }};
  client c{server};
  auto x = c.ask();
  CHECK(x.why.code == ec::upstream_failed);
  CHECK_THAT(x.why.message, Contains("read the answer of 127.0.0.1:" + server.port()));
  CHECK(server.connections() == 1);
}

TEST_CASE("bytes behind an answer never are the next one's answer") {
  auto stale = with_length("of nobody");
  std::atomic<int> served = 0;
  http_peer server{[&](http_peer::socket& x) {
    while (x.request())
      x.send(with_length(std::to_string(++served)) + stale);
  }};
  client c{server};
  CHECK(c.ask().body == "1");
  auto second = c.ask();
  CHECK_FALSE(second.why);
  CHECK(second.body == "2");
  CHECK(server.connections() == 2);
}

// -- cancel -------------------------------------------------------------------------------------

TEST_CASE("a cancelled post has no more events, lets go of them, and closes its socket") {
  std::promise<void> asked, closed;
  std::atomic<int> served = 0;
  http_peer server{[&](http_peer::socket& x) {
    while (x.request()) {
      if (++served > 1) {
        x.send(with_length("again"));
        continue;
      }
      x.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
      asked.set_value();
      x.until_closed();
      closed.set_value();
    }
  }};
  client c{server};
  std::atomic<int> ends = 0;
  auto held = std::make_shared<int>(0);
  std::weak_ptr<int> watch = held;
  std::function<void()> over = [&ends, held] { ++ends; };
  c.link->post({"/chat", "{}", {}}, {[](const http_head&) {}, [](std::string_view) {}, over,
                                     [over](const failure&) { over(); }});
  over = nullptr;
  held.reset();
  asked.get_future().wait();
  c.link->cancel();
  closed.get_future().wait();
  c.settle();
  CHECK(ends == 0);
  CHECK(watch.expired());
  CHECK(c.ask().body == "again");
  CHECK(server.connections() == 2);
}

TEST_CASE("cancelling what is not under way changes nothing") {
  http_peer server{always(with_length("ok"))};
  client c{server};
  c.link->cancel();
  CHECK(c.ask().body == "ok");
  c.link->cancel();
  CHECK(c.ask().body == "ok");
}
