#pragma once

#include "test/runtime/http_peer.hpp"

#include <future>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "runtime/http_client.hpp"

namespace sotto::test {

/// What a post's events said, in total.
struct outcome {
  http_head head;
  std::string body;
  size_t heads = 0, pieces = 0, ends = 0;
  failure why;
};

inline std::string with_length(std::string_view body, std::string_view more = {}) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), more, body);
}

/// Answers every request of a connection alike.
inline http_peer::script always(std::string answer) {
  return [answer = std::move(answer)](http_peer::socket& x) {
    while (x.request() && x.send(answer))
      ;
  };
}

/// Sends something for the first request, whatever it was, and closes.
inline http_peer::script once(std::string answer) {
  return [answer = std::move(answer)](http_peer::socket& x) {
    if (x.request())
      x.send(answer);
  };
}

/// One link and the reactor it runs on.
class client {
public:
  explicit client(url to, const std::string& ca_file = {}) {
    auto made = make_http_link(io_, to, ca_file);
    REQUIRE(made);
    link = std::move(*made);
  }

  explicit client(const http_peer& to) : client(url{false, "127.0.0.1", to.port(), "/v1"}) {}

  /// Posts and waits for the end.
  outcome ask(http_post x = {}, std::function<void()> on_piece = {}) {
    if (x.path.empty())
      x.path = "/chat";
    auto result = std::make_shared<outcome>();
    auto done = std::make_shared<std::promise<void>>();
    auto over = [result, done] {
      if (++result->ends == 1)
        done->set_value();
    };
    link->post(std::move(x), {[result](const http_head& y) {
                                result->head = y;
                                ++result->heads;
                              },
                              [result, on_piece](std::string_view y) {
                                result->body += y;
                                ++result->pieces;
                                if (on_piece)
                                  on_piece();
                              },
                              over,
                              [result, over](const failure& why) {
                                result->why = why;
                                over();
                              }});
    REQUIRE(done->get_future().wait_for(std::chrono::seconds{60}) == std::future_status::ready);
    settle();
    CHECK(result->ends == 1);
    return *result;
  }

  /// Waits until the reactor has run what it had to run.
  void settle() {
    std::promise<void> done;
    boost::asio::post(io_.io(), [&] { done.set_value(); });
    done.get_future().wait();
  }

private:
  reactor io_;

public:
  std::shared_ptr<http_link> link;
};

} // namespace sotto::test
