#include "runtime/socket_watch.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct watched {
  watched() {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    watch.on_arrival([this] { ++told; });
  }
  ~watched() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void send() { REQUIRE(::write(ends[1], "x", 1) == 1); }
  void read() {
    char x = 0;
    REQUIRE(::read(ends[0], &x, 1) == 1);
  }
  bool in_time(int times) {
    for (int i = 0; i < 500 && told < times; ++i)
      std::this_thread::sleep_for(10ms);
    return told == times;
  }

  std::array<int, 2> ends{};
  std::atomic<int> told{0};
  reactor io;
  socket_watch watch{io};
};

} // namespace

TEST_CASE("an arrival is told once for each time the watch is armed", "[socket_watch]") {
  watched x;
  x.watch.arm(x.ends[0]);
  x.send();
  REQUIRE(x.in_time(1));
  x.send();
  x.read();
  // What is there already counts as well.
  x.watch.arm(x.ends[0]);
  REQUIRE(x.in_time(2));
}

TEST_CASE("what arrives while the reader reads is not told", "[socket_watch]") {
  watched x;
  for (int i = 0; i < 200; ++i) {
    x.watch.arm(x.ends[0]);
    x.watch.pause();
    x.send();
    x.read();
  }
  x.watch.arm(x.ends[0]);
  x.send();
  REQUIRE(x.in_time(1));
}

TEST_CASE("nobody is told of a socket that is gone, or after the listener is", "[socket_watch]") {
  watched x;
  x.watch.arm(-1);
  x.send();
  x.watch.arm(x.ends[0]);
  REQUIRE(x.in_time(1));
  x.watch.on_arrival({});
  x.watch.arm(x.ends[0]);
  x.watch.tell();
  CHECK(x.told == 1);
}
