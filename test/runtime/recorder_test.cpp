#include <catch2/catch.hpp>

#include <thread>

#include "runtime/recorder.hpp"

using namespace sotto;

TEST_CASE("a recorder keeps the latest and finds them by trace") {
  recorder flows{8};
  for (uint64_t i = 1; i <= 20; ++i) {
    message_record x;
    x.ctx.trace_lo = i % 2 + 1;
    x.receiver = i;
    flows.record(x);
  }
  CHECK(flows.find(0, 0).size() == 8);
  auto found = flows.find(0, 1);
  REQUIRE(found.size() == 4);
  CHECK(found.front().receiver == 14);
  CHECK(found.back().receiver == 20);
}

TEST_CASE("records written and read at the same time are whole") {
  recorder flows{16};
  std::atomic<bool> stop{false};
  auto write = [&](uint64_t tag) {
    for (uint64_t i = 0; i < 20'000; ++i) {
      message_record x;
      x.sender = x.receiver = tag * 1'000'000 + i;
      flows.record(x);
    }
  };
  std::thread reader{[&] {
    while (!stop)
      for (auto& x : flows.find(0, 0))
        if (x.sender != x.receiver)
          std::abort();
  }};
  std::thread one{write, 1}, two{write, 2};
  one.join();
  two.join();
  stop = true;
  reader.join();
  CHECK(flows.recorded() == 40'000);
}
