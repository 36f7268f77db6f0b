#include <catch2/catch.hpp>

#include "messages/actors.hpp"
#include "messages/registration.hpp"

using namespace sotto;

TEST_CASE("priorities are read by name and nothing else") {
  CHECK(priority_from("background") == priority::background);
  CHECK(to_string(priority::critical) == "critical");
  CHECK_FALSE(priority_from("urgent"));
  CHECK_FALSE(priority_from(""));
}

TEST_CASE("a traceparent becomes a context and a malformed one nothing") {
  auto ctx = context_from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  REQUIRE(ctx);
  CHECK(trace_id(*ctx) == "0af7651916cd43dd8448eb211c80319c");
  CHECK(ctx->parent == 0xb7ad6b7169203331);
  CHECK(ctx->sampled);
  CHECK_FALSE(context_from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01"));
  CHECK_FALSE(context_from_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
  CHECK_FALSE(context_from_traceparent("00-zaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
}

TEST_CASE("a failure survives the way through a CAF error") {
  auto back = to_failure(to_error({ec::overloaded, "too many turns", "user"}));
  CHECK(back.code == ec::overloaded);
  CHECK(back.message == "too many turns");
  CHECK(back.param == "user");
  CHECK(to_failure(caf::make_error(caf::sec::request_timeout)).code == ec::timeout);
}
