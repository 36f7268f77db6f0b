#include "nodes/refusal_gate.hpp"

#include <catch2/catch.hpp>

#include "runtime/refusals.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct gate_fixture {
  void refuse(int count) {
    for (int i = 0; i < count; ++i)
      gate->refuse(
          priority::normal, false, [this] { ++answered; }, [this, i] { dropped.push_back(i); });
  }

  boost::asio::io_context io;
  std::shared_ptr<node_load> load = std::make_shared<node_load>();
  int counted = 0, answered = 0;
  std::vector<int> dropped;
  std::shared_ptr<refusal_gate> gate =
      std::make_shared<refusal_gate>(io, load, 1h, [this](priority) { ++counted; });
};

} // namespace

TEST_CASE_METHOD(gate_fixture, "what is held gives way, the longest held first") {
  CHECK_FALSE(gate->drop_oldest());
  for (int i = 0; i < 3; ++i)
    gate->refuse(
        priority::normal, true, [this] { ++answered; }, [this, i] { dropped.push_back(i); });
  CHECK(gate->held() == 3);
  CHECK(gate->drop_oldest());
  CHECK(gate->drop_oldest());
  CHECK(dropped == std::vector<int>{0, 1});
  CHECK(gate->held() == 1);
  CHECK(counted == 3);
  CHECK(answered == 0);
}

TEST_CASE_METHOD(gate_fixture, "a flood of new connections is held within a bound") {
  refuse(50'000);
  CHECK(counted == 50'000);
  CHECK(gate->held() <= 16'384);
  CHECK(gate->held() + dropped.size() + static_cast<size_t>(answered) == 50'000);
}
