#include <catch2/catch.hpp>

#include <random>

#include "messages/native.hpp"

using namespace sotto;

namespace {

native_call_frame a_turn() {
  native_call_frame x;
  x.number = 7;
  x.ctx.trace_hi = 1;
  x.ctx.trace_lo = 2;
  x.ctx.span = 3;
  x.ctx.deadline = 4'000;
  x.ctx.level = priority::high;
  x.level_given = true;
  turn_request turn;
  turn.owner = {"acme", "ada"};
  turn.text = "Grüße";
  turn.history = {{"user", "before"}, {"assistant", "yes"}};
  turn.idempotency_key = "k";
  turn.stream = true;
  x.body = turn;
  return x;
}

std::string body_of(const std::string& bytes) {
  CHECK(native_size(bytes) == bytes.size() - native_head);
  return bytes.substr(native_head);
}

} // namespace

TEST_CASE("frames of frontends and nodes are read as they were written", "[native]") {
  native_call_frame back;
  REQUIRE_FALSE(from_bytes(body_of(to_bytes(a_turn())), back));
  CHECK(back.number == 7);
  CHECK(back.ctx.trace_hi == 1);
  CHECK(back.ctx.trace_lo == 2);
  CHECK(back.ctx.span == 3);
  CHECK(back.ctx.deadline == 4'000);
  CHECK(back.ctx.level == priority::high);
  CHECK(back.level_given);
  auto& turn = std::get<turn_request>(back.body);
  CHECK(turn.owner.owner == "ada");
  CHECK(turn.text == "Grüße");
  CHECK(turn.history.at(1).content == "yes");
  CHECK(turn.stream);

  native_answer_frame answer, read;
  memory_receipt receipt;
  receipt.ids = {"a", "b"};
  receipt.created = {true, false};
  receipt.seqs = {5, 0};
  answer.number = 9;
  answer.body = receipt;
  REQUIRE_FALSE(from_bytes(body_of(to_bytes(answer)), read));
  CHECK(read.number == 9);
  CHECK(std::get<memory_receipt>(read.body).created == std::vector<bool>{true, false});
  answer.body = native_leaving{};
  REQUIRE_FALSE(from_bytes(body_of(to_bytes(answer)), read));
  CHECK(std::holds_alternative<native_leaving>(read.body));
  answer.body = native_nodes{{"10.0.0.1:7801", "10.0.0.2:7801"}};
  REQUIRE_FALSE(from_bytes(body_of(to_bytes(answer)), read));
  CHECK(std::get<native_nodes>(read.body).addresses.at(1) == "10.0.0.2:7801");
}

TEST_CASE("a frame that is cut off anywhere, or longer than it says, is refused", "[native]") {
  auto whole = body_of(to_bytes(a_turn()));
  for (size_t size = 0; size < whole.size(); ++size) {
    native_call_frame x;
    CHECK(from_bytes(std::string_view{whole}.substr(0, size), x).code == ec::invalid);
  }
  native_call_frame x;
  CHECK(from_bytes(whole + '\0', x).code == ec::invalid);
}

TEST_CASE("kinds and levels that there are not are refused", "[native]") {
  auto whole = body_of(to_bytes(a_turn()));
  for (auto kind : {std::variant_size_v<native_call>, size_t{255}}) {
    auto wrong = whole;
    wrong[0] = static_cast<char>(kind);
    native_call_frame x;
    CHECK(from_bytes(wrong, x).message.find("does not know") != std::string::npos);
  }
  // kind 1, number 8, trace 16, span 8, deadline 8: then the level
  auto wrong = whole;
  REQUIRE(wrong[41] == static_cast<char>(priority::high));
  wrong[41] = static_cast<char>(priority_levels);
  native_call_frame x;
  CHECK(from_bytes(wrong, x).code == ec::invalid);
}

TEST_CASE("nonsense is read without harm", "[native]") {
  std::mt19937 random{3};
  auto whole = body_of(to_bytes(a_turn()));
  auto read = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = whole;
    for (int k = 0; k < 1 + i % 5; ++k)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 2 == 0)
      for (auto& c : bytes)
        c = static_cast<char>(random());
    bytes[0] = static_cast<char>(i % static_cast<int>(std::variant_size_v<native_call>));
    native_call_frame x;
    read += from_bytes(bytes, x) ? 0 : 1;
  }
  CHECK(read < 20'000);
}
