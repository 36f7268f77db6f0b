#include <catch2/catch.hpp>

#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "nodes/cli_client.hpp"

using namespace sotto;
using boost::asio::ip::tcp;
using Catch::Contains;

namespace {

/// Takes one connection, reads a request's head and what came with it, sends the pieces and closes.
class one_answer {
public:
  explicit one_answer(std::vector<std::string> pieces) {
    thread_ = std::thread{[this, pieces = std::move(pieces)] {
      tcp::socket socket{io_};
      acceptor_.accept(socket);
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(request), "\r\n\r\n");
      boost::system::error_code ignored;
      for (auto& x : pieces)
        boost::asio::write(socket, boost::asio::buffer(x), ignored);
    }};
  }
  ~one_answer() { join(); }

  void join() {
    if (thread_.joinable())
      thread_.join();
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

  std::string request;

private:
  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

} // namespace

TEST_CASE("a call sends what it was given and returns status and body") {
  one_answer node{{"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n", "ok"}};
  auto answer = node_client{node.url() + "/prefix/"}.call("POST", "/v1/x?a=b", "{}",
                                                          {{"Sotto-Conversation", "c"}});
  node.join();
  CHECK(answer.ok());
  CHECK(answer.status == 201);
  CHECK(answer.body == "ok");
  CHECK_THAT(node.request, Contains("POST /prefix/v1/x?a=b HTTP/1.1\r\n")
                               && Contains("Sotto-Conversation: c\r\n")
                               && Contains("Content-Length: 2\r\n"));
}

TEST_CASE("a chunked body is handed over as it comes") {
  one_answer node{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "2\r\nd",
                   "e\r\n", "0\r\n\r\n"}};
  std::string taken;
  auto answer =
      node_client{node.url()}.call("POST", "/", "{}", {}, [&](std::string_view x) { taken += x; });
  CHECK(answer.ok());
  CHECK(taken == "abcde");
  CHECK(answer.body.empty());
}

TEST_CASE("the body of a refusal is kept for its message") {
  one_answer node{{"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 32\r\n\r\n"
                   "{\"error\":{\"message\":\"too many\"}}"}};
  bool called = false;
  auto answer = node_client{node.url()}.call("POST", "/", "{}", {}, [&](auto) { called = true; });
  CHECK_FALSE(answer.ok());
  CHECK_FALSE(called);
  CHECK(explain(answer) == "too many (status 429)");
}

TEST_CASE("an answer that breaks off or is none is told") {
  one_answer cut{{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}};
  CHECK_THAT(node_client{cut.url()}.call("GET", "/", "").problem, Contains("broke off"));
  one_answer garbage{{"SSH-2.0-OpenSSH_9.2\r\n\r\n"}};
  CHECK_THAT(node_client{garbage.url()}.call("GET", "/", "").problem, Contains("no answer that"));
  one_answer silent{{}};
  CHECK_THAT(node_client{silent.url()}.call("GET", "/", "").problem, Contains("no answer that"));
}

TEST_CASE("a node that is not there is told with what to do") {
  uint16_t port = 0;
  {
    boost::asio::io_context io;
    tcp::acceptor free{io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    port = free.local_endpoint().port();
  }
  auto answer = node_client{"http://127.0.0.1:" + std::to_string(port)}.call("GET", "/", "");
  CHECK_THAT(answer.problem,
             Contains("no node answers at http://127.0.0.1:") && Contains("sotto node"));
  CHECK_FALSE(answer.ok());
}
